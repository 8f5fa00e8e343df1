//! TLS on either side, HTTP/1.1 and HTTP/2 inside.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use mamparo_context::Clock;
use mamparo_proxy::{Entry, Limits, Settings, Speaks, Transport, VerifiedTls};
use mamparo_tls::{
    CertificateAuthority, CertificateConfig, Protocol, ServerTls, TlsConfig, UpstreamTls, UpstreamTlsConfig,
};

use crate::rig::{OK, Rig, Service};

/// Certificates, and the authority that vouches for each: itself, all in one file.
pub(crate) struct Papers {
    _folder: tempfile::TempDir,
    pub(crate) authority: PathBuf,
    pub(crate) config: TlsConfig,
}

fn papers() -> Papers {
    papers_for(&[&["it.test"]])
}

/// One certificate for each list of hosts.
pub(crate) fn papers_for(all: &[&[&str]]) -> Papers {
    let folder = tempfile::tempdir().unwrap();
    let (mut certificates, mut vouching) = (Vec::new(), String::new());
    for (number, hosts) in all.iter().enumerate() {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let own = rcgen::generate_simple_self_signed(hosts).unwrap();
        let file = |name: &str| folder.path().join(format!("{number}.{name}"));
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        std::fs::write(&cert, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        vouching += &own.cert.pem();
        certificates.push(CertificateConfig { cert, key, hosts: Vec::new() });
    }
    let authority = folder.path().join("all.pem");
    std::fs::write(&authority, vouching).unwrap();
    let config = TlsConfig { certificates, ..TlsConfig::default() };
    Papers { _folder: folder, authority, config }
}

pub(crate) fn entry(papers: &Papers) -> Entry {
    let tls = ServerTls::load(&papers.config, &Clock::system()).unwrap();
    Entry { tls: Some(Arc::new(tls)) }
}

pub(crate) fn transport(papers: &Papers, speaks: Speaks, host: &str) -> Transport {
    let ca = CertificateAuthority::File(papers.authority.clone());
    let alpn = vec![if speaks == Speaks::Http2 { Protocol::Http2 } else { Protocol::Http1 }];
    let config = UpstreamTlsConfig { ca, alpn, ..UpstreamTlsConfig::default() };
    let tls = Arc::new(UpstreamTls::load(&config, &Clock::system()).unwrap());
    Transport { speaks, tls: Some(VerifiedTls::new(tls, host)) }
}

#[test]
fn a_service_behind_tls_is_reached_over_either_protocol() {
    let (service, requests) = Service::answering(OK);
    let papers = papers();
    let inner = Rig::behind(entry(&papers), &[service.address]);
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let to = transport(&papers, speaks, "it.test");
        let outer = Rig::speaking(&[inner.edge], Limits::default(), Settings::default(), to);
        let answer = outer.client().get("/");
        assert_eq!((answer.status(), answer.text()), (200, "ok"), "{speaks:?}");
        let seen = requests.recv().unwrap();
        assert_eq!(seen.header("host"), Some("it.test"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    }
}

#[test]
fn a_service_that_proves_to_be_another_is_not_spoken_to() {
    let (service, requests) = Service::answering(OK);
    let papers = papers();
    let inner = Rig::behind(entry(&papers), &[service.address]);
    let to = transport(&papers, Speaks::Http1, "other.test");
    let settings = Settings { connect_retry_window: std::time::Duration::ZERO, ..Settings::default() };
    let outer = Rig::speaking(&[inner.edge], Limits::default(), settings, to);
    assert_eq!(outer.client().get("/").code(), "service-unreachable");
    assert!(requests.try_recv().is_err());
    inner.await_that("mamparo_proxy_handshake_failures_total", |failures| failures >= 1);
}

#[test]
fn curl_is_served_over_tls() {
    let (service, _requests) = Service::answering(OK);
    let papers = papers();
    let rig = Rig::behind(entry(&papers), &[service.address]);
    for (version, told) in [("--http1.1", "ok 1.1"), ("--http2", "ok 2")] {
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", version, "-w", " %{http_version}", "--cacert"])
            .arg(&papers.authority)
            .arg("--connect-to")
            .arg(format!("it.test:443:{}", rig.edge))
            .arg("https://it.test/")
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: curl is not installed");
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), told, "{stderr}");
    }
}
