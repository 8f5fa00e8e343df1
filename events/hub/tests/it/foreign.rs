//! A client that we did not write: Google's gRPC for Python speaks the protocol as its file documents it.

use std::path::Path;
use std::process::Command;

use mamparo_hub::{LogOptions, TopicOptions, serve};
use prost::Message as _;
use tokio::net::TcpListener;

use crate::support::{Fixture, queue};

const WHEELS_MISSING: i32 = 77;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_another_language_publishes_receives_and_settles() {
    let python = std::env::var("MAMPARO_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let topics =
        vec![TopicOptions::queue("jobs", queue()), TopicOptions::log("facts", LogOptions::default())];
    let fixture = Fixture::new(topics).await;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let described =
        protox::compile(["mamparo/hub/v1/hub.proto"], [here.join("proto")]).expect("the protocol");
    let descriptors = fixture.folder.path().join("hub.bin");
    std::fs::write(&descriptors, described.encode_to_vec()).expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(serve(fixture.hub.clone(), listener, std::future::pending()));

    let mut client = Command::new(python);
    client.arg(here.join("tests/it/foreign.py")).arg(address).arg(&descriptors);
    let Ok(ran) = tokio::task::spawn_blocking(move || client.output()).await.expect("a task") else {
        return missing("python3");
    };
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    match ran.status.code() {
        Some(0) => {}
        Some(WHEELS_MISSING) => missing("grpcio"),
        _ => panic!("{said}"),
    }
}

/// Says what this machine could not show.
fn missing(program: &str) {
    let note =
        format!("MISSING {program}: the hub's protocol was not driven by a client in another language");
    eprintln!("{note}");
    if let Some(folder) = std::env::var_os("MAMPARO_TEST_MISSING_DIR") {
        std::fs::write(Path::new(&folder).join("hub-foreign-client"), note).expect("a note");
    }
}
