//! Clients that prove who they are by a certificate, and clients that cannot.

use mamparo_context::{Clock, Timestamp};
use mamparo_tls::{ClientAuth, TlsConfig};
use rustls::HandshakeKind;

use crate::rig::{Authority, Pair, client, connect, handshake, leaf, listener, server};

fn asking(authority: &Authority, client_auth: ClientAuth) -> TlsConfig {
    TlsConfig {
        client_auth,
        client_ca: Some(authority.ca()),
        ..listener(vec![authority.issue("shop", &["shop.example"])])
    }
}

/// Whether the server has let the client in. A client of TLS 1.3 is done before the server has seen its certificate.
async fn is_let_in(config: &TlsConfig, upstream: &mamparo_tls::UpstreamTlsConfig) -> bool {
    let (accepted, _) = handshake(&server(config), &client(upstream), "shop.example").await;
    accepted.is_ok()
}

#[tokio::test]
async fn a_workload_proves_who_it_is() {
    let authority = Authority::new();
    let entry = authority.issue_workload("orders", "spiffe://shop.example/orders");
    let server = server(&asking(&authority, ClientAuth::Required));
    let pair = connect(&server, &client(&authority.upstream_as(&entry)), "shop.example").await;
    let shown = pair.server.handshake.client.unwrap();
    assert_eq!(shown.subject, "CN=orders");
    assert_eq!(shown.spiffe_id(), Some("spiffe://shop.example/orders"));
    assert_eq!(shown.uris, ["spiffe://shop.example/orders"]);
    assert_eq!(shown.dns, [""; 0]);
    assert!(shown.not_after > Clock::system().wall());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf(&entry.cert));
    assert_eq!(shown.fingerprint_sha256, digest.as_ref());
}

#[tokio::test]
async fn who_is_let_in() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (good, bad) = (ours.issue("good", &["good.example"]), theirs.issue("bad", &["bad.example"]));
    let anonymous = ours.upstream();
    let (known, unknown) = (ours.upstream_as(&good), ours.upstream_as(&bad));
    for (client_auth, upstream, who, let_in) in [
        (ClientAuth::Required, &known, "one of our authority", true),
        (ClientAuth::Required, &anonymous, "one without a certificate", false),
        (ClientAuth::Required, &unknown, "one of another authority", false),
        (ClientAuth::Optional, &known, "one of our authority", true),
        (ClientAuth::Optional, &anonymous, "one without a certificate", true),
        (ClientAuth::Optional, &unknown, "one of another authority", false),
    ] {
        assert_eq!(is_let_in(&asking(&ours, client_auth), upstream).await, let_in, "{client_auth:?}: {who}");
    }
}

#[tokio::test]
async fn a_client_that_was_not_asked_shows_nothing() {
    let authority = Authority::new();
    let entry = authority.issue("orders", &["orders.example"]);
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let pair = connect(&server, &client(&authority.upstream_as(&entry)), "shop.example").await;
    assert_eq!(pair.server.handshake.client, None);
}

#[tokio::test]
async fn an_expired_client_is_not_let_in() {
    let authority = Authority::new();
    let entry = authority.issue_with("old", &["old.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let upstream = authority.upstream_as(&entry);
    assert!(!is_let_in(&asking(&authority, ClientAuth::Required), &upstream).await);
    let warnings = client(&upstream).warnings();
    assert_eq!(warnings.len(), 1, "and it is told before: {warnings:?}");
}

#[tokio::test]
async fn a_client_with_a_certificate_shows_it_each_time() {
    let authority = Authority::new();
    let entry = authority.issue("orders", &["orders.example"]);
    let server = server(&asking(&authority, ClientAuth::Optional));
    let client = client(&authority.upstream_as(&entry));
    for _ in 0..3 {
        let pair: Pair = connect(&server, &client, "shop.example").await;
        assert_eq!(pair.server.stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert!(pair.server.handshake.client.is_some());
    }
}

#[tokio::test]
async fn several_uris_are_no_workload() {
    let authority = Authority::new();
    let entry = authority.issue_with("two", &[], |params| {
        for uri in ["spiffe://a.example/a", "spiffe://a.example/b"] {
            params.subject_alt_names.push(rcgen::SanType::URI(uri.try_into().unwrap()));
        }
    });
    let server = server(&asking(&authority, ClientAuth::Required));
    let pair = connect(&server, &client(&authority.upstream_as(&entry)), "shop.example").await;
    let shown = pair.server.handshake.client.unwrap();
    assert_eq!((shown.uris.len(), shown.spiffe_id()), (2, None));
    assert!(shown.not_after > Timestamp::default());
}
