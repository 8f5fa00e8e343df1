//! WebSockets by a library that others wrote, at both ends: over HTTP/1.1, with and without TLS, and as streams of HTTP/2
//! on a part of their way.

use super::node::Gateway;
use super::peers::{script, server};

const SHOWS: &str = "a WebSocket library did not pass the gateway";

#[test]
fn websockets_pass_in_both_directions_and_end_with_their_codes() {
    let Some(service) = server("websocket_service.py", &[], SHOWS) else { return };
    let gateway = Gateway::start(
        &format!("{{chat: {{address: '{}'}}}}", service.said),
        "  limits: {tunnel_idle: 60s}\n  routes:\n  - {match: {path: /}, service: chat, public: true, timeout: 2s}\n",
    );
    let authority = gateway.authority().display().to_string();
    let descriptors = gateway.descriptors();
    for (address, tls) in [(&gateway.plain, ""), (&gateway.tls, authority.as_str())] {
        let said = script("websocket_client.py", &[address, tls], SHOWS).expect("the wheels are there");
        assert_eq!(said.trim(), "all sockets were as they should be", "{said}\n{}", gateway.log());
    }
    gateway.rests(descriptors + 8);
    gateway.stop();
}

#[test]
fn websockets_pass_two_gateways_that_speak_http2_with_each_other() {
    let Some(service) = server("websocket_service.py", &[], SHOWS) else { return };
    let routes = "  limits: {tunnel_idle: 60s}\n  routes:\n  - {match: {path: /}, service: chat, public: true, timeout: 2s}\n";
    let second = Gateway::start(&format!("{{chat: {{address: '{}'}}}}", service.said), routes);
    let first =
        Gateway::start(&format!("{{chat: {{address: '{}', protocol: http2}}}}", second.plain), routes);
    let said = script("websocket_client.py", &[&first.plain, ""], SHOWS).expect("the wheels are there");
    assert_eq!(said.trim(), "all sockets were as they should be", "{said}\n{}", first.log());
    for gateway in [&first, &second] {
        gateway.await_metric("mamparo_proxy_requests_in_flight", |own| own == 0);
    }
    let (asked, connections) = (
        first.metric("mamparo_proxy_requests_total", ""),
        first.metric("mamparo_proxy_service_connects_total", ""),
    );
    assert!(asked > 200 && connections <= 16, "{asked} on {connections}");
    first.stop();
    second.stop();
}
