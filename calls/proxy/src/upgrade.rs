//! A client that asks for a WebSocket: by `Upgrade` on HTTP/1.1, by an extended `CONNECT` on HTTP/2 (RFC 8441). The
//! service is asked in the way of the protocol that it speaks. Other protocols are not asked for: the service sees a
//! plain request, as it does where it does not take WebSockets over HTTP/2.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// What a client of HTTP/1.1 wants to see a sign of, while the request goes on over HTTP/2, which needs none.
#[derive(Clone, Debug)]
struct Key(HeaderValue);

/// Makes a request for a WebSocket what HTTP/2 has for it (RFC 8441, 5): the key that its answer must fit.
pub(crate) fn as_connect<B>(request: &mut Request<B>) -> Option<HeaderValue> {
    *request.method_mut() = Method::CONNECT;
    let key = request.headers_mut().remove(header::SEC_WEBSOCKET_KEY);
    let extensions = request.extensions_mut();
    extensions.insert(Asked::from_static(WEBSOCKET));
    if let Some(key) = &key {
        extensions.insert(Key(key.clone()));
    }
    key
}

/// Makes a request that was not sent what it was before [`as_connect`], if it was anything else.
pub(crate) fn as_asked<B>(mut request: Request<B>) -> Request<B> {
    if request.extensions_mut().remove::<Asked>().is_some() {
        *request.method_mut() = Method::GET;
        if let Some(Key(key)) = request.extensions_mut().remove() {
            request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key);
        }
    }
    request
}

/// Makes the answer to [`as_connect`] what HTTP/1.1 has for it, where it grants what was asked for.
pub(crate) fn of_connect<B>(answer: &mut Response<B>, key: Option<&HeaderValue>) {
    if answer.status() != StatusCode::OK {
        return;
    }
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    // What follows is no body (RFC 9110, 8.6).
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
    if let Some(sign) = key.and_then(sign) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, sign);
    }
}

/// What shows the owner of `key` that it was understood (RFC 6455, 4.2.2). SHA-1 protects nothing here.
fn sign(key: &HeaderValue) -> Option<HeaderValue> {
    const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut text = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    text.update(key.as_bytes().trim_ascii());
    text.update(SUFFIX);
    HeaderValue::try_from(STANDARD.encode(text.finish())).ok()
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
    let bits = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let text = HeaderValue::try_from(STANDARD.encode(bits.to_be_bytes()));
    text.unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_over_http2_can_be_asked_again_as_it_was() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let mut request = Request::get("/chat").header(header::SEC_WEBSOCKET_KEY, &key).body(()).unwrap();
        assert_eq!(as_connect(&mut request).as_ref(), Some(&key));
        assert_eq!((request.method(), request.headers().len()), (&Method::CONNECT, 0));
        let request = as_asked(request);
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.headers().get(header::SEC_WEBSOCKET_KEY), Some(&key));
        assert_eq!(as_asked(Request::post("/").body(()).unwrap()).method(), Method::POST);
    }

    #[test]
    fn a_grant_over_http2_is_one_of_http1_with_the_sign_of_the_key() {
        // The example of RFC 6455, 1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let mut answer = Response::builder().header(header::CONTENT_LENGTH, 0).body(()).unwrap();
        of_connect(&mut answer, Some(&key));
        assert!(!answer.headers().contains_key(header::CONTENT_LENGTH));
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(answer.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut refused = Response::builder().status(404).body(()).unwrap();
        of_connect(&mut refused, Some(&key));
        assert_eq!((refused.status(), refused.headers().len()), (StatusCode::NOT_FOUND, 0));
    }

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
