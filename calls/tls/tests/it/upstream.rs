//! Whom we believe to be the service that we asked for.

use mamparo_context::Clock;
use mamparo_tls::{CertificateAuthority, ConnectError, UpstreamTls, UpstreamTlsConfig};
use rustls::{CertificateError, Error};

use crate::rig::{Authority, client, connect, handshake, listener, server};

fn certificate_error(error: &ConnectError) -> CertificateError {
    let ConnectError::Handshake { source, .. } = error else { panic!("{error}") };
    match source.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(problem)) => problem.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_of_another_authority_is_not_believed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = server(&listener(vec![theirs.issue("shop", &["shop.example"])]));
    let (accepted, connected) = handshake(&server, &client(&ours.upstream()), "shop.example").await;
    let error = connected.unwrap_err();
    // both authorities bear the same name, so that the signature is what gives it away
    assert!(matches!(certificate_error(&error), CertificateError::BadSignature), "{error}");
    assert!(error.to_string().starts_with("TLS with `shop.example`: "), "{error}");
    assert!(accepted.is_err());
}

#[tokio::test]
async fn a_service_with_another_name_is_not_believed() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let (_, connected) = handshake(&server, &client(&authority.upstream()), "pay.example").await;
    let error = connected.unwrap_err();
    assert!(matches!(certificate_error(&error), CertificateError::NotValidForNameContext { .. }), "{error}");
}

#[tokio::test]
async fn an_expired_service_is_not_believed() {
    let authority = Authority::new();
    let entry = authority.issue_with("shop", &["shop.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    });
    let server = server(&listener(vec![entry]));
    let (clock, manual) = Clock::manual();
    let client = UpstreamTls::load(&authority.upstream(), &clock).unwrap();
    assert!(handshake(&server, &client, "shop.example").await.1.is_ok(), "in 2026");
    manual.advance(std::time::Duration::from_secs(5 * 365 * 86_400));
    // a session of before would be resumed, as far as it is young enough: a new client knows none
    let client = UpstreamTls::load(&authority.upstream(), &clock).unwrap();
    let error = handshake(&server, &client, "shop.example").await.1.unwrap_err();
    assert!(matches!(certificate_error(&error), CertificateError::ExpiredContext { .. }), "{error}");
}

#[tokio::test]
async fn a_name_in_the_file_counts_instead_of_the_host_of_the_endpoint() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let upstream = UpstreamTlsConfig { name: Some("shop.example".into()), ..authority.upstream() };
    let pair = connect(&server, &client(&upstream), "10.0.0.7").await;
    assert_eq!(pair.server.handshake.server_name.as_deref(), Some("shop.example"));
    let (_, connected) = handshake(&server, &client(&authority.upstream()), "10.0.0.7").await;
    assert!(connected.is_err());
}

#[tokio::test]
async fn an_address_may_be_what_a_certificate_is_for() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["127.0.0.1", "::1"])]));
    for host in ["127.0.0.1", "::1"] {
        connect(&server, &client(&authority.upstream()), host).await;
    }
}

#[tokio::test]
async fn what_is_no_host_is_not_asked_for() {
    let authority = Authority::new();
    let client = client(&authority.upstream());
    for host in ["", "a b", "shop.example:443"] {
        let (near, _far) = tokio::io::duplex(1024);
        let error = client.connect(near, host).await.unwrap_err();
        assert!(matches!(error, ConnectError::Name(_)), "{host}: {error}");
    }
}

#[test]
fn the_authorities_of_the_machine_are_the_default() {
    let config = UpstreamTlsConfig::default();
    assert_eq!(config.ca, CertificateAuthority::System);
    match UpstreamTls::load(&config, &Clock::system()) {
        Ok(_) => {}
        // a machine without any says so
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}
