//! What is said of files that do not do: which one, what is wrong, and what to do.

use std::fs;

use mamparo_context::Clock;
use mamparo_tls::{CertificateConfig, ClientAuth, ServerTls, TlsConfig, UnknownHost, UpstreamTls};
use rcgen::{KeyPair, PKCS_RSA_SHA256};

use crate::rig::{Authority, listener};

/// What is said, with the folder taken out of it.
fn said(authority: &Authority, config: &TlsConfig) -> String {
    let error = ServerTls::load(config, &Clock::system()).unwrap_err().to_string();
    error.replace(&format!("{}/", authority.file("").display().to_string().trim_end_matches('/')), "")
}

fn said_after(change: impl FnOnce(&Authority, &mut CertificateConfig)) -> String {
    let authority = Authority::new();
    let mut entry = authority.issue("shop", &["shop.example", "*.shop.example"]);
    change(&authority, &mut entry);
    said(&authority, &listener(vec![entry]))
}

#[test]
fn a_file_that_is_not_there() {
    let text = said_after(|authority, entry| entry.cert = authority.file("gone.pem"));
    assert!(text.starts_with("gone.pem: cannot be read: No such file"), "{text}");
    assert!(text.ends_with("name a PEM file that this process may read"), "{text}");
    let text = said_after(|authority, entry| entry.key = authority.file("gone.key"));
    assert!(text.starts_with("gone.key: cannot be read"), "{text}");
    let text = said_after(|authority, entry| entry.cert = authority.file(""));
    assert!(text.contains("cannot be read"), "a folder: {text}");
}

#[test]
fn a_file_that_is_no_pem() {
    for (bytes, problem) in [
        (&b""[..], "(it is empty)"),
        (b"\x30\x82\x01\x00", "(it is no PEM)"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "(it begins with `PRIVATE KEY`)"),
    ] {
        let text = said_after(|_, entry| fs::write(&entry.cert, bytes).unwrap());
        let expected = format!(
            "shop.pem: holds no certificate in PEM {problem}; it must have a line `-----BEGIN CERTIFICATE-----`; a file \
             in DER can be converted by `openssl x509 -inform der`"
        );
        assert_eq!(text, expected);
    }
    let text = said_after(|_, entry| fs::write(&entry.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap());
    assert!(text.starts_with("shop.pem: holds no certificate in PEM ("), "{text}");
    let text = said_after(|_, entry| fs::copy(&entry.cert, &entry.key).map(drop).unwrap());
    assert!(
        text.starts_with("shop.key: holds no private key in PEM (it begins with `CERTIFICATE`)"),
        "{text}"
    );
}

#[test]
fn a_certificate_that_is_none() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let text = said_after(|_, entry| fs::write(&entry.cert, pem).unwrap());
    assert!(text.starts_with("shop.pem: certificate 1 cannot be parsed: "), "{text}");
}

#[test]
fn a_key_that_cannot_be_used() {
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let text = said_after(|_, entry| fs::write(&entry.key, pem).unwrap());
    assert!(
        text.starts_with("shop.key: the private key is encrypted; decrypt it with `openssl pkey"),
        "{text}"
    );
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let text = said_after(|_, entry| fs::write(&entry.key, pem).unwrap());
    assert!(text.starts_with("shop.key: the private key cannot be used: "), "{text}");
}

#[test]
fn a_key_of_another_certificate() {
    let text = said_after(|authority, entry| entry.key = authority.issue("other", &["shop.example"]).key);
    assert!(text.starts_with("other.key: is not the key of shop.pem; "), "{text}");
    let text = said_after(|authority, entry| {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        entry.key = authority.issue_for("other", &["shop.example"], key, |_| {}).key;
    });
    assert!(text.starts_with("other.key: is not the key of shop.pem; "), "{text}");
}

#[test]
fn a_host_that_the_certificate_is_not_for() {
    let text = said_after(|_, entry| entry.hosts = vec!["a.shop.example".into(), "pay.example".into()]);
    assert_eq!(
        text,
        "shop.pem: is not for the host `pay.example`, but for shop.example, *.shop.example; have it issued for that \
         host too, or take the host from `hosts`"
    );
}

#[test]
fn a_certificate_that_would_never_be_shown() {
    let authority = Authority::new();
    let nameless = authority.issue("nameless", &[]);
    let first = listener(vec![nameless.clone()]);
    ServerTls::load(&first, &Clock::system()).unwrap();
    let refusing = TlsConfig { unknown_host: UnknownHost::Refuse, ..first };
    assert!(said(&authority, &refusing).starts_with("nameless.pem: names no host"));
    let second = listener(vec![authority.issue("shop", &["shop.example"]), nameless]);
    assert!(said(&authority, &second).starts_with("nameless.pem: names no host"));
}

#[test]
fn authorities_that_do_not_do() {
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let asking = |client_ca| TlsConfig {
        client_auth: ClientAuth::Required,
        client_ca: Some(client_ca),
        ..listener(vec![entry.clone()])
    };
    let text = said(&authority, &asking(authority.file("gone.pem")));
    assert!(text.starts_with("gone.pem: cannot be read"), "{text}");
    let text = said(&authority, &asking(entry.key.clone()));
    assert!(
        text.starts_with("shop.key: holds no certificate in PEM (it begins with `PRIVATE KEY`)"),
        "{text}"
    );
    let broken = authority.file("broken.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&broken, fs::read_to_string(authority.ca()).unwrap() + pem).unwrap();
    let text = said(&authority, &asking(broken));
    assert!(text.starts_with("broken.pem: certificate 2 cannot be an authority: "), "{text}");
}

#[test]
fn a_file_that_is_too_large_is_not_read_whole() {
    let text = said_after(|_, entry| fs::File::create(&entry.cert).unwrap().set_len(1 << 40).unwrap());
    assert_eq!(text, "shop.pem: larger than 4194304 bytes; name the file that holds only certificates");
}

#[test]
fn one_file_may_hold_the_certificate_and_its_key() {
    let authority = Authority::new();
    let mut entry = authority.issue("shop", &["shop.example"]);
    let both = fs::read_to_string(&entry.key).unwrap() + &fs::read_to_string(&entry.cert).unwrap();
    fs::write(&entry.cert, both).unwrap();
    entry.key = entry.cert.clone();
    ServerTls::load(&listener(vec![entry]), &Clock::system()).unwrap();
}

#[test]
fn an_upstream_says_the_same_of_its_files() {
    let authority = Authority::new();
    let entry = authority.issue("own", &["own.example"]);
    let mut upstream = authority.upstream_as(&entry);
    upstream.client_key = Some(authority.issue("other", &["own.example"]).key);
    let error = UpstreamTls::load(&upstream, &Clock::system()).unwrap_err().to_string();
    assert!(error.contains("other.key: is not the key of "), "{error}");
}
