//! WebSockets by a library that others wrote, at both ends: over HTTP/1.1, with and without TLS.

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
