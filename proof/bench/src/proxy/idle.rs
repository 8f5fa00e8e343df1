//! What connections cost that do nothing: memory of the proxy before anything comes, with ten thousand connections
//! before their first byte, and after one request on each.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::load::Ask;
use super::peers::Up;
use super::scenario::Scenario;
use crate::report::{Figure, Report, Target};

const CONNECTIONS: usize = 10_000;
const FIRST_BYTE_KB: f64 = 4.0;
const RESTING_KB: f64 = 12.0;
const RESIDENT_MB: f64 = 15.0;
/// How long a proxy has had nothing to do when its memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// Measures one proxy; only what is ours has promised something.
pub(crate) fn measure(report: &mut Report, up: &Up, title: &str, is_ours: bool) {
    std::thread::sleep(REST);
    let empty = up.resident_mb();
    let ask = Ask::get(up.site.listen, "/", Scenario::Idle.body(), false);
    let mut open: Vec<TcpStream> =
        (0..CONNECTIONS).map_while(|_| TcpStream::connect(up.site.listen).ok()).collect();
    std::thread::sleep(REST);
    let opened = up.resident_mb();
    let mut buffer = vec![0; 4096];
    let answered = open.iter_mut().filter_map(|stream| {
        stream.write_all(&ask.request).ok()?;
        // A small answer comes in one piece as a rule; its length tells nothing here.
        stream.read(&mut buffer).ok().filter(|count| *count > 0 && buffer.starts_with(b"HTTP/1.1 200"))
    });
    let answered = answered.count();
    std::thread::sleep(REST);
    let rested = up.resident_mb();
    let each = |after: f64| (after - empty) * 1e6 / 1024.0 / CONNECTIONS as f64;
    let mut tell = |what: &str, value: f64, unit: &'static str, bound: f64| {
        let figure = Figure::new(&format!("idle: {what}, {title}"), value, unit).socket();
        report.push(if is_ours { figure.target(Target::AtMost(bound)) } else { figure });
    };
    tell("resident, no connections", empty, "MB", RESIDENT_MB);
    tell("a connection before its first byte", each(opened), "KiB", FIRST_BYTE_KB);
    tell("a connection at rest after a request", each(rested), "KiB", RESTING_KB);
    tell("connections without an answer", (CONNECTIONS - answered) as f64, "", 0.0);
}
