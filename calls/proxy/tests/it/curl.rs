//! A client that we did not write. Skipped, with a word, where it is not installed.

use std::process::Command;

use crate::rig::{Rig, Service};

fn curl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output();
    let Ok(output) = output else {
        eprintln!("skipped: curl is not installed");
        return None;
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn curl_is_served() {
    let service = Service::start(|mut connection| {
        while let Some(request) = connection.request() {
            let body = format!("{} bytes", request.body.len());
            connection.send(format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", body.len()));
            if !request.start.starts_with("HEAD") {
                connection.send(body);
            }
        }
    });
    let rig = Rig::new(&[service.address]);
    let url = format!("http://{}/x", rig.edge);
    let file = tempfile(2_000_000);
    let status = "%{http_code} %{num_connects}\n";
    let Some(text) =
        curl(&["-w", status, &url, "--next", "-sS", "-w", status, "-I", "-o", "/dev/null", &url])
    else {
        return;
    };
    assert_eq!(text, "0 bytes201 1\n201 0\n", "one connection serves both");
    let upload = format!("@{}", file.path().display());
    let with_length = curl(&["--data-binary", &upload, &url]);
    assert_eq!(with_length.as_deref(), Some("2000000 bytes"));
    let chunked = curl(&[
        "-H",
        "transfer-encoding: chunked",
        "-H",
        "expect: 100-continue",
        "--data-binary",
        &upload,
        &url,
    ]);
    assert_eq!(chunked.as_deref(), Some("2000000 bytes"));
    let old = curl(&["--http1.0", &url]);
    assert_eq!(old.as_deref(), Some("0 bytes"));
    let large = tempfile(10_000_000);
    let upload = format!("@{}", large.path().display());
    let refused =
        curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", "expect:", "--data-binary", &upload, &url]);
    assert_eq!(refused.as_deref(), Some("413"), "ten megabytes are refused, and the answer arrives");
}

fn tempfile(length: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; length]).unwrap();
    file
}
