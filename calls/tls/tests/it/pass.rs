//! All parts in a row: a header of the PROXY protocol and a hello are read ahead, and the handshake sees what is left.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mamparo_tls::PrefixedIo;
use mamparo_tls::hello::{self, ClientHello};
use mamparo_tls::proxy_protocol::{self, Addresses, write_v1, write_v2};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use crate::rig::{Authority, client, listener, server};

async fn addresses<S: AsyncRead + Unpin>(io: &mut PrefixedIo<S>) -> Option<Addresses> {
    loop {
        match proxy_protocol::parse(io.ahead()) {
            proxy_protocol::Parsed::Incomplete => assert_ne!(io.fill().await.unwrap(), 0),
            proxy_protocol::Parsed::Header { addresses, consumed } => {
                io.consume(consumed);
                return addresses;
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn client_hello<S: AsyncRead + Unpin>(io: &mut PrefixedIo<S>) -> ClientHello {
    loop {
        match ClientHello::parse(io.ahead()) {
            hello::Parsed::Incomplete => assert_ne!(io.fill().await.unwrap(), 0),
            hello::Parsed::Hello(hello) => return hello,
            hello::Parsed::NotTls => panic!("not TLS"),
        }
    }
}

/// A connection from which seven bytes come at once, at the most.
struct Drip(DuplexStream);

impl AsyncRead for Drip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut few = [0; 7];
        let mut few = ReadBuf::new(&mut few[..into.remaining().min(7)]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut few))?;
        into.put_slice(few.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Drip {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_handshake_follows_what_was_read_ahead() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let client = client(&authority.upstream());
    let said = Addresses {
        source: "192.0.2.1:5000".parse().unwrap(),
        destination: "192.0.2.2:443".parse().unwrap(),
    };
    for header in [write_v1(Some(said)).into_bytes(), write_v2(Some(said))] {
        let (mut near, far) = duplex(64 * 1024);
        let theirs = async {
            near.write_all(&header).await.unwrap();
            let mut connected = client.connect(near, "shop.example").await.unwrap();
            connected.stream.write_all(b"ping").await.unwrap();
            connected.stream.flush().await.unwrap();
            let mut buffer = [0; 4];
            connected.stream.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"pong");
        };
        let ours = async {
            let mut io = PrefixedIo::new(Drip(far));
            assert_eq!(addresses(&mut io).await, Some(said));
            assert_eq!(client_hello(&mut io).await.server_name.as_deref(), Some("shop.example"));
            let mut accepted = server.accept(io).await.unwrap();
            let mut buffer = [0; 4];
            accepted.stream.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"ping");
            accepted.stream.write_all(b"pong").await.unwrap();
            accepted.stream.flush().await.unwrap();
            accepted
        };
        let ((), accepted) = tokio::join!(theirs, ours);
        let (io, _) = accepted.stream.get_ref();
        assert_eq!(io.ahead(), b"");
    }
}

#[tokio::test]
async fn what_was_read_ahead_is_read_first_and_once() {
    let (mut near, far) = duplex(1024);
    near.write_all(b"abcdefgh").await.unwrap();
    let mut io = PrefixedIo::new(far);
    assert_eq!((io.fill().await.unwrap(), io.ahead()), (8, &b"abcdefgh"[..]));
    io.consume(2);
    near.write_all(b"ij").await.unwrap();
    near.shutdown().await.unwrap();
    let mut three = [0; 3];
    io.read_exact(&mut three).await.unwrap();
    assert_eq!((&three, io.ahead()), (b"cde", &b"fgh"[..]));
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"fghij");
    assert_eq!(io.fill().await.unwrap(), 0, "no more will come");
    let (ahead, _) = io.into_parts();
    assert_eq!(ahead.capacity(), 0, "the memory was given back");
}

#[tokio::test]
async fn more_is_never_read_ahead_than_any_header_needs() {
    let (mut near, far) = duplex(1024 * 1024);
    near.write_all(&vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut io = PrefixedIo::new(far);
    let refused = loop {
        match io.fill().await {
            Ok(count) => assert!((1..=16 * 1024).contains(&count)),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(io.ahead().len(), 16 * 1024 + 4096 + 16);
    io.consume(usize::MAX);
    assert_eq!(io.ahead(), b"");
    assert!(io.fill().await.unwrap() > 0);
}

#[tokio::test]
async fn writes_go_through() {
    let (mut near, far) = duplex(1024);
    let mut io = PrefixedIo::with(b"ahead"[..].into(), far);
    io.write_all(b"out").await.unwrap();
    io.shutdown().await.unwrap();
    let mut text = String::new();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "out");
    assert_eq!(io.ahead(), b"ahead");
}
