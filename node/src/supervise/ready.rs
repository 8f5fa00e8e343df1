//! Whether a process is ready, seen from outside.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::plan::Probe;

/// Between two looks at first, when everything is just starting.
const LOOK_MIN: Duration = Duration::from_millis(5);
/// Between two looks later.
const LOOK_MAX: Duration = Duration::from_millis(200);
/// How long one look may take.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Waits until the process is ready.
///
/// Cancel safe.
pub(crate) async fn wait(probe: Probe) {
    let mut pause = LOOK_MIN;
    loop {
        let look = async {
            match probe {
                Probe::Alive => true,
                Probe::Connect(address) => TcpStream::connect(address).await.is_ok(),
                Probe::Ready(address) => answers(address).await.unwrap_or(false),
            }
        };
        if tokio::time::timeout(ANSWER_TIME, look).await.unwrap_or(false) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(LOOK_MAX);
    }
}

async fn answers(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    Ok(&head == b"HTTP/1.1 200")
}
