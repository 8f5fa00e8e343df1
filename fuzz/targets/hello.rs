//! What stands before HTTP: the hello of a TLS client, read without terminating TLS, and what a balancer says of its
//! client. A connection that is led by a name must be led by the one that the service reads, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo_tls::hello::{self, ClientHello};
use mamparo_tls::proxy_protocol::{self, Parsed, write_v1, write_v2};
use rustls::server::Acceptor;

fuzz_target!(|bytes: &[u8]| {
    let source = proxy_protocol::parse(bytes);
    let asked = ClientHello::parse(bytes);
    for end in (0..bytes.len()).step_by(1 + bytes.len() / 512) {
        // What was said once is not taken back when more arrives.
        let first = proxy_protocol::parse(&bytes[..end]);
        assert!(first == Parsed::Incomplete || first == source, "{end}: {first:?}, {source:?}");
        let first = ClientHello::parse(&bytes[..end]);
        assert!(first == hello::Parsed::Incomplete || first == asked, "{end}: {first:?}, {asked:?}");
    }
    match source {
        Parsed::Header { addresses, consumed } => {
            assert!(consumed <= bytes.len());
            let (line, header) = (write_v1(addresses), write_v2(addresses));
            for written in [line.as_bytes(), &*header] {
                let consumed = written.len();
                assert_eq!(proxy_protocol::parse(written), Parsed::Header { addresses, consumed });
            }
        }
        Parsed::Incomplete => assert!(bytes.len() < 16 + 4096),
        Parsed::Absent | Parsed::Malformed(_) => {}
    }
    if let Some((name, alpn)) = as_rustls_reads_it(bytes) {
        match &asked {
            hello::Parsed::Hello(own) => {
                assert_eq!(own.server_name, name);
                assert_eq!(own.alpn, alpn);
            }
            // What is read here is read more strictly: such a connection is not passed on.
            hello::Parsed::NotTls => {}
            hello::Parsed::Incomplete => panic!("rustls waits for no more"),
        }
    }
});

/// The name and the protocols of a hello, if rustls takes it for one.
fn as_rustls_reads_it(bytes: &[u8]) -> Option<(Option<String>, Vec<Vec<u8>>)> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while acceptor.read_tls(&mut rest).ok()? > 0 {
        if let Some(accepted) = acceptor.accept().ok()? {
            let hello = accepted.client_hello();
            let name = hello.server_name().map(str::to_ascii_lowercase);
            let alpn = hello.alpn().map(|all| all.map(<[u8]>::to_vec).collect());
            return Some((name, alpn.unwrap_or_default()));
        }
    }
    None
}
