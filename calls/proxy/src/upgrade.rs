//! A client that asks for a WebSocket: by `Upgrade` on HTTP/1.1, by an extended `CONNECT` on HTTP/2 (RFC 8441). The
//! service is asked by `Upgrade` in both cases. Other protocols are not asked for: the service sees a plain request.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol as Asked;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mamparo_context::Random;
use tokio::sync::oneshot;

use crate::accept::{Peer, Protocol, Socket};

const WEBSOCKET: &str = "websocket";

/// What will speak another protocol: the whole connection, or one stream of it.
pub(crate) enum Client {
    Connection(oneshot::Receiver<Socket>),
    Stream(OnUpgrade),
}

impl Client {
    /// The socket, once both have changed over; nothing where that failed.
    pub(crate) async fn socket(self) -> Option<Socket> {
        match self {
            Self::Connection(connection) => connection.await.ok(),
            Self::Stream(stream) => Some(Box::new(TokioIo::new(stream.await.ok()?))),
        }
    }
}

/// What the client asks for; nothing where it asks for plain HTTP. The request is then one as HTTP/1.1 knows it.
pub(crate) fn asked(peer: &Peer, request: &mut Request<Incoming>) -> Option<Client> {
    match peer.protocol {
        Protocol::Http1 => {
            let asks = peer.wire.asks_for_another_protocol()
                && *request.method() == Method::GET
                && request.headers().get(header::UPGRADE).is_some_and(is_websocket);
            asks.then(|| {
                let (tunnel, client) = oneshot::channel();
                peer.wire.tunnel_to(tunnel);
                Client::Connection(client)
            })
        }
        Protocol::Http2 => {
            let asks = *request.method() == Method::CONNECT
                && request.extensions().get::<Asked>().is_some_and(|asked| asked.as_str() == WEBSOCKET);
            if !asks {
                return None;
            }
            let client = hyper::upgrade::on(&mut *request);
            *request.method_mut() = Method::GET;
            request.extensions_mut().remove::<Asked>();
            request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key(&peer.worker().random));
            Some(Client::Stream(client))
        }
    }
}

/// Whether the service has granted it.
pub(crate) fn is_granted(answer: &Response<Incoming>) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS
        && answer.headers().get(header::UPGRADE).is_some_and(is_websocket)
}

/// The head that grants it to the client. `headers` are without those of the connection to the service.
pub(crate) fn grant(protocol: Protocol, headers: &mut HeaderMap) -> StatusCode {
    match protocol {
        Protocol::Http1 => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
            StatusCode::SWITCHING_PROTOCOLS
        }
        Protocol::Http2 => {
            headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            StatusCode::OK
        }
    }
}

fn is_websocket(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
}

/// Sixteen random bytes in base64, as HTTP/1.1 wants them (RFC 6455, 4.1) and HTTP/2 does not.
fn key(random: &Random) -> HeaderValue {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = *b"======================AA";
    let mut bits = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    // 21 digits of six bits, and the two bits that are left, then the padding.
    for digit in &mut text[..22] {
        *digit = DIGITS[(bits >> 122) as usize & 63];
        bits <<= 6;
    }
    text[22..].copy_from_slice(b"==");
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        let key = key(&Random::seeded(7));
        let text = key.to_str().unwrap();
        assert_eq!((text.len(), &text[22..]), (24, "=="));
        // The last digit before the padding holds two bits only.
        assert!("AQgw".contains(&text[21..22]), "{text}");
        assert_ne!(key, super::key(&Random::seeded(8)));
    }
}
