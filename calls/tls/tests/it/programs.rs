//! Clients that we did not write. Where one is not installed, the summary of the test run says what was not shown.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use mamparo_conformance::programs::is_installed;
use mamparo_tls::{ClientAuth, Protocol, ServerTls, TlsConfig, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{Authority, listener, server};

/// Serves one connection, answers its first bytes with `answer`, and says what it was told of it.
fn serve_one(
    server: ServerTls,
    answer: &'static str,
) -> (u16, std::thread::JoinHandle<Option<mamparo_tls::Handshake>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let socket = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    let serve = async move {
        let (connection, _) = socket.accept().await.unwrap();
        let mut accepted = server.accept(connection).await.ok()?;
        let mut buffer = [0; 4096];
        if accepted.stream.read(&mut buffer).await.unwrap_or(0) > 0 {
            accepted.stream.write_all(answer.as_bytes()).await.unwrap();
        }
        accepted.stream.shutdown().await.unwrap();
        Some(accepted.handshake)
    };
    (port, std::thread::spawn(move || runtime.block_on(serve)))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn openssl_verifies_us_and_is_verified() {
    if !is_installed("openssl", "TLS with the client of OpenSSL, with a certificate of its own") {
        return;
    }
    let authority = Authority::new();
    let own = authority.issue_workload("own", "spiffe://shop.example/openssl");
    for (min_version, flag, version) in
        [(TlsVersion::V1_2, "-tls1_2", "TLSv1.2"), (TlsVersion::V1_3, "-tls1_3", "TLSv1.3")]
    {
        let config = TlsConfig {
            min_version,
            client_auth: ClientAuth::Required,
            client_ca: Some(authority.ca()),
            ..listener(vec![
                authority.issue("other", &["other.example"]),
                authority.issue("shop", &["shop.example"]),
            ])
        };
        let (port, served) = serve_one(server(&config), "hello\n");
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "shop.example"])
            .args([
                "-verify_hostname",
                "shop.example",
                "-verify_return_error",
                "-CAfile",
                path(&authority.ca()),
            ])
            .args(["-cert", path(&own.cert), "-key", path(&own.key), "-alpn", "h2,http/1.1", flag])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"ping\n").unwrap();
        let handshake = served.join().unwrap().expect("the handshake is done");
        drop(input);
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        child.wait().unwrap();
        for line in ["Verification: OK", "ALPN protocol: h2", "hello", version] {
            assert!(output.contains(line), "{line}: {output}");
        }
        assert_eq!(handshake.alpn, Some(Protocol::Http2));
        assert_eq!(handshake.server_name.as_deref(), Some("shop.example"));
        assert_eq!(handshake.client.unwrap().spiffe_id(), Some("spiffe://shop.example/openssl"));
    }
}

#[test]
fn openssl_with_an_old_version_is_refused() {
    if !is_installed("openssl", "that TLS 1.2 is refused where the file asks for 1.3") {
        return;
    }
    let authority = Authority::new();
    let entry = authority.issue("shop", &["shop.example"]);
    let config = TlsConfig { min_version: TlsVersion::V1_3, ..listener(vec![entry]) };
    let (port, served) = serve_one(server(&config), "");
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-tls1_2"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(served.join().unwrap(), None);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("protocol version"), "it is told why: {said}");
}

#[test]
fn curl_is_served() {
    if !is_installed("curl", "HTTPS with curl") {
        return;
    }
    let authority = Authority::new();
    let server = server(&TlsConfig {
        alpn: vec![Protocol::Http1],
        ..listener(vec![authority.issue("shop", &["shop.example"])])
    });
    let (port, served) =
        serve_one(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--cacert", path(&authority.ca())])
        .args([
            "--resolve",
            &format!("shop.example:{port}:127.0.0.1"),
            &format!("https://shop.example:{port}/"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"hi");
    let handshake = served.join().unwrap().unwrap();
    assert_eq!(handshake.server_name.as_deref(), Some("shop.example"));
}
