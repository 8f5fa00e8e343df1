//! Certificates are replaced while connections live, and a replacement that does not hold changes nothing.

use std::fs;

use mamparo_context::Clock;
use mamparo_tls::{ClientAuth, TlsConfig, TlsError};

use crate::rig::{Authority, client, connect, handshake, leaf, listener, server};

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let server = server(&listener(vec![entry.clone()]));
    let shown =
        |pair: &crate::rig::Pair| pair.client.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let first = leaf(&entry.cert);
    let mut old = connect(&server, &client(&authority.upstream()), "shop.example").await;
    authority.issue("shop", &["shop.example", "new.example"]);
    let still = connect(&server, &client(&authority.upstream()), "shop.example").await;
    assert_eq!(shown(&still), first, "files alone change nothing");
    server.reload().unwrap();
    let new = connect(&server, &client(&authority.upstream()), "new.example").await;
    assert_eq!(shown(&new), leaf(&entry.cert));
    assert_ne!(shown(&new), first);
    old.talk().await;
}

#[tokio::test]
async fn a_reload_that_fails_keeps_what_was_there() {
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let server = server(&listener(vec![entry.clone()]));
    let good = fs::read(&entry.cert).unwrap();
    authority.issue("other", &["shop.example"]);
    let other = fs::read(authority.file("other.pem")).unwrap();
    for (bad, what) in [(&b""[..], "empty"), (b"no pem", "no PEM"), (&other, "not of this key")] {
        fs::write(&entry.cert, bad).unwrap();
        let error = server.reload().unwrap_err();
        assert!(
            error.to_string().starts_with(&entry_path(&error, &entry.cert, &entry.key)),
            "{what}: {error}"
        );
        connect(&server, &client(&authority.upstream()), "shop.example").await;
    }
    fs::remove_file(&entry.cert).unwrap();
    assert!(matches!(server.reload(), Err(TlsError::Unreadable { .. })));
    connect(&server, &client(&authority.upstream()), "shop.example").await;
    fs::write(&entry.cert, good).unwrap();
    server.reload().unwrap();
}

fn entry_path(error: &TlsError, cert: &std::path::Path, key: &std::path::Path) -> String {
    let file = if matches!(error, TlsError::KeyMismatch { .. }) { key } else { cert };
    file.display().to_string()
}

#[tokio::test]
async fn a_client_of_an_authority_that_is_gone_does_not_come_back() {
    let (old, new) = (Authority::new(), Authority::new());
    let config = TlsConfig {
        client_auth: ClientAuth::Required,
        client_ca: Some(old.ca()),
        ..listener(vec![old.issue("shop", &["shop.example"])])
    };
    let server = server(&config);
    let known = client(&old.upstream_as(&old.issue("orders", &["orders.example"])));
    connect(&server, &known, "shop.example").await;
    fs::copy(new.ca(), old.ca()).unwrap();
    server.reload().unwrap();
    let (accepted, _) = handshake(&server, &known, "shop.example").await;
    assert!(accepted.is_err());
}

#[tokio::test]
async fn another_configuration_takes_the_place_of_the_one_before() {
    let authority = Authority::new();
    let server = server(&listener(vec![authority.issue("shop", &["shop.example"])]));
    let config = listener(vec![authority.issue("pay", &["pay.example"])]);
    server.reconfigure(&config).unwrap();
    assert!(server.is_for("pay.example") && !server.is_for("shop.example"));
    let broken = TlsConfig::default();
    assert!(matches!(server.reconfigure(&broken), Err(TlsError::Config(_))));
    connect(&server, &client(&authority.upstream()), "pay.example").await;
}

#[test]
fn a_watch_sees_what_was_written_after_the_files_were_read() {
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let server = server(&listener(vec![entry.clone()]));
    let mut watch = server.watch();
    assert!(!watch.changed(&server.stamps()));
    let mut longer = fs::read(&entry.cert).unwrap();
    longer.extend(b"\n");
    fs::write(&entry.cert, longer).unwrap();
    assert!(!watch.changed(&server.stamps()), "whoever writes may not be done");
    assert!(watch.changed(&server.stamps()));
    server.reload().unwrap();
    assert!(!watch.changed(&server.stamps()));
}

#[tokio::test]
async fn our_own_certificate_towards_a_service_is_replaced_too() {
    let authority = Authority::new();
    let config = TlsConfig {
        client_auth: ClientAuth::Required,
        client_ca: Some(authority.ca()),
        ..listener(vec![authority.issue("shop", &["shop.example"])])
    };
    let server = server(&config);
    let entry = authority.issue_workload("own", "spiffe://shop.example/one");
    let upstream = authority.upstream_as(&entry);
    let client = mamparo_tls::UpstreamTls::load(&upstream, &Clock::system()).unwrap();
    let workload = async || {
        let pair = connect(&server, &client, "shop.example").await;
        pair.server.handshake.client.unwrap().uris.concat()
    };
    assert_eq!(workload().await, "spiffe://shop.example/one");
    let mut watch = client.watch();
    authority.issue_workload("own", "spiffe://shop.example/another");
    assert!(!watch.changed(&client.stamps()));
    assert!(watch.changed(&client.stamps()));
    client.reload().unwrap();
    assert_eq!(workload().await, "spiffe://shop.example/another");
    fs::write(&entry.key, "").unwrap();
    assert!(client.reload().is_err());
    assert_eq!(workload().await, "spiffe://shop.example/another");
}
