//! Which certificate is shown for which host, and what is agreed on.

use std::sync::Arc;

use mamparo_context::Clock;
use mamparo_tls::UpstreamTlsConfig;
use mamparo_tls::{CertificateConfig, Protocol, ServerTls, TlsConfig, TlsVersion, UnknownHost, Warning};
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, SignatureScheme};

use crate::rig::{Authority, client, connect, handshake, leaf, listener, server};

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_host_that_it_asks_for() {
    let authority = Authority::new();
    let names = ["all", "shop", "stars"];
    let config = listener(vec![
        // the first is for everything: these names only make clients of this test accept it
        CertificateConfig {
            hosts: vec!["first.example".into()],
            ..authority.issue("all", &["first.example", "other.example", "a.b.stars.example"])
        },
        authority.issue("shop", &["shop.example", "pay.stars.example"]),
        authority.issue("stars", &["*.stars.example"]),
    ]);
    let (server, client) = (server(&config), client(&authority.upstream()));
    for (host, name) in [
        ("shop.example", "shop"),
        ("SHOP.example", "shop"),
        ("a.stars.example", "stars"),
        ("pay.stars.example", "shop"),
        ("a.b.stars.example", "all"),
        ("other.example", "all"),
        ("first.example", "all"),
    ] {
        let pair = connect(&server, &client, host).await;
        assert_eq!(pair.shown(&authority, &names), name, "{host}");
        assert_eq!(pair.server.handshake.server_name, Some(host.to_ascii_lowercase()));
        assert_eq!(pair.server.handshake.client, None);
    }
    assert!(server.is_for("shop.example") && server.is_for("b.stars.example"));
    assert!(!server.is_for("other.example"));
    assert_eq!(server.warnings(), []);
    let hosts: Vec<String> = server.certificates()[1].hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["shop.example", "pay.stars.example"]);
}

#[tokio::test]
async fn unknown_hosts_are_refused_where_the_file_says_so() {
    let authority = Authority::new();
    let config = TlsConfig {
        unknown_host: UnknownHost::Refuse,
        ..listener(vec![authority.issue("shop", &["shop.example", "127.0.0.1"])])
    };
    let (server, client) = (server(&config), client(&authority.upstream()));
    connect(&server, &client, "shop.example").await;
    // an address is no host that could be asked for
    for host in ["other.example", "127.0.0.1"] {
        let (accepted, connected) = handshake(&server, &client, host).await;
        assert!(accepted.is_err() && connected.is_err(), "{host}");
    }
}

#[tokio::test]
async fn a_client_without_a_host_is_shown_the_first_certificate() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["127.0.0.1"])]));
    let pair = connect(&server, &client(&authority.upstream()), "127.0.0.1").await;
    assert_eq!(pair.server.handshake.server_name, None);
}

#[tokio::test]
async fn the_best_protocol_that_both_speak_is_chosen() {
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let both = vec![Protocol::Http2, Protocol::Http1];
    for (ours, theirs, chosen) in [
        (both.clone(), both.clone(), Some(Protocol::Http2)),
        (both.clone(), vec![Protocol::Http1], Some(Protocol::Http1)),
        (vec![Protocol::Http1], both.clone(), Some(Protocol::Http1)),
        (both.clone(), vec![], None),
        (vec![], both.clone(), None),
    ] {
        let server = server(&TlsConfig { alpn: ours, ..listener(vec![entry.clone()]) });
        let client = client(&UpstreamTlsConfig { alpn: theirs, ..authority.upstream() });
        let pair = connect(&server, &client, "shop.example").await;
        assert_eq!(pair.server.handshake.alpn, chosen);
        assert_eq!(pair.client.alpn, chosen);
    }
    let server = server(&TlsConfig { alpn: vec![Protocol::Http1], ..listener(vec![entry]) });
    let client = client(&UpstreamTlsConfig { alpn: vec![Protocol::Http2], ..authority.upstream() });
    let (accepted, connected) = handshake(&server, &client, "shop.example").await;
    assert!(accepted.is_err() && connected.is_err(), "nothing in common ends the handshake (RFC 7301)");
}

#[tokio::test]
async fn the_newest_version_and_a_key_exchange_for_the_time_after_quantum_computers() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let pair = connect(&server, &client(&authority.upstream()), "shop.example").await;
    let connection = pair.server.stream.get_ref().1;
    assert_eq!(connection.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = connection.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn a_second_connection_resumes_the_session_also_after_a_reload() {
    let authority = Authority::new();
    for min_version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let config = TlsConfig { min_version, ..listener(vec![authority.issue("shop", &["shop.example"])]) };
        let (server, client) = (server(&config), client(&authority.upstream()));
        let kind = async || {
            connect(&server, &client, "shop.example").await.server.stream.get_ref().1.handshake_kind()
        };
        assert_eq!(kind().await, Some(HandshakeKind::Full));
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
        server.reload().unwrap();
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
    }
}

#[tokio::test]
async fn a_host_may_have_a_certificate_for_each_kind_of_key() {
    let authority = Authority::new();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let config = listener(vec![
        authority.issue_for("ed25519", &["shop.example"], ed25519, |_| {}),
        authority.issue_for("rsa", &["shop.example"], rsa, |_| {}),
    ]);
    let server = server(&config);
    assert_eq!(server.warnings(), []);
    let pair = connect(&server, &client(&authority.upstream()), "shop.example").await;
    assert_eq!(pair.shown(&authority, &["ed25519", "rsa"]), "ed25519", "the first that it can verify");
    let shown = shown_to_old_client(&server, &authority).await;
    assert_eq!(shown, leaf(&authority.file("rsa.pem")), "a client that does not know the first kind");
}

/// The certificate that a client is shown that knows no Ed25519.
async fn shown_to_old_client(server: &ServerTls, authority: &Authority) -> Vec<u8> {
    let mut provider = aws_lc_rs::default_provider();
    let mut known = provider.signature_verification_algorithms.mapping.to_vec();
    known.retain(|(scheme, _)| *scheme != SignatureScheme::ED25519);
    provider.signature_verification_algorithms.mapping = known.leak();
    let mut roots = RootCertStore::empty();
    roots.add(leaf(&authority.ca()).into()).unwrap();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("shop.example").unwrap();
    let (accepted, connected) = tokio::join!(server.accept(far), connector.connect(name, near));
    accepted.unwrap();
    connected.unwrap().get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_certificate_that_never_comes_first_is_told() {
    let authority = Authority::new();
    let first = authority.issue("first", &["shop.example", "a.example"]);
    let second = authority.issue("second", &["shop.example", "b.example"]);
    let server = server(&listener(vec![first.clone(), second.clone()]));
    let warning = Warning::Shadowed { cert: second.cert, host: "shop.example".into(), first: first.cert };
    assert_eq!(server.warnings(), [warning]);
    assert!(server.is_for("b.example"));
}

#[test]
fn an_expired_certificate_is_a_warning_and_is_shown() {
    let authority = Authority::new();
    let entry = authority.issue_with("old", &["shop.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let (clock, _) = Clock::manual();
    let server = ServerTls::load(&listener(vec![entry.clone()]), &clock).unwrap();
    let text = format!(
        "{}: the certificate has expired at 2020-01-01T00:00:00.000Z; renew it",
        entry.cert.display()
    );
    let warnings: Vec<String> = server.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [text]);
    let entry = authority.issue_with("new", &["shop.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2040, 1, 1);
    });
    let server = ServerTls::load(&listener(vec![entry]), &clock).unwrap();
    assert!(matches!(server.warnings()[..], [Warning::NotYetValid { .. }]));
}
