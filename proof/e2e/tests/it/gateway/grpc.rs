//! gRPC by Google's own library on both sides: every kind of call, deadlines, cancellation, errors and their trailers.

use super::node::Gateway;
use super::peers::{script, server};

const SHOWS: &str = "a gRPC client and server of another language did not meet through the gateway";

#[test]
fn every_kind_of_call_passes_with_its_trailers_and_its_deadline() {
    let Some(service) = server("grpc_service.py", &[], SHOWS) else { return };
    let gateway = Gateway::start(
        &format!("{{calls: {{address: '{}', protocol: http2}}}}", service.said),
        "  routes:\n  - {match: {path: /}, service: calls, public: true, timeout: 20s}\n",
    );
    let authority = gateway.authority().display().to_string();
    for (address, tls) in [(&gateway.plain, ""), (&gateway.tls, authority.as_str())] {
        let said = script("grpc_client.py", &[address, tls], SHOWS).expect("the wheels are there");
        assert_eq!(said.trim(), "all calls were as they should be", "{said}\n{}", gateway.log());
    }
    gateway.await_metric("mamparo_proxy_requests_in_flight", |own| own == 0);
    drop(service);
    // Without a service, the answer is one that a gRPC client understands: an error, and soon.
    let said = script("grpc_client.py", &[&gateway.plain, "", "gone"], SHOWS).expect("the wheels are there");
    assert_eq!(said.trim(), "UNAVAILABLE", "{said}");
    gateway.stop();
}
