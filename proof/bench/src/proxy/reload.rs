//! One of five thousand routes changes while requests come: how long until it is in force, and how many requests
//! fail meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use mamparo_context::Clock;

use super::load::Ask;
use super::peers::{Up, Way, route};
use super::scenario::Scenario;
use crate::report::{Figure, Report, Target};
use crate::run::quantile;

pub(crate) const ROUTES: usize = 5_000;
const IN_FORCE_MS: f64 = 50.0;
/// Requests each second while routes change, and the connections they come on.
const PACE: f64 = 1_000.0;
const CONNECTIONS: usize = 8;
/// How long the load runs before the first change, and between two.
const BETWEEN: Duration = Duration::from_millis(300);
const CHANGES: usize = 4;
/// Longer than a change may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_micros(500);

/// What the other service answers: one byte more.
pub(crate) fn other_body() -> Bytes {
    Bytes::from(vec![b'o'; Scenario::Reload.body() + 1])
}

/// Measures one proxy.
///
/// # Errors
/// A change never comes into force.
pub(crate) fn measure(
    report: &mut Report,
    up: &mut Up,
    title: &str,
    is_ours: bool,
    other: SocketAddr,
) -> Result<(), String> {
    let clock = Clock::system();
    let ask = Ask::get(up.site.listen, &route(0), Scenario::Reload.body(), false);
    let load = std::thread::spawn(move || {
        let time = (BETWEEN * (CHANGES as u32 + 1)) * 2;
        ask.paced(CONNECTIONS, PACE, time)
    });
    let mut took = Vec::new();
    let mut result = Ok(());
    for change in 0..CHANGES {
        std::thread::sleep(BETWEEN);
        let last_is_other = change % 2 == 0;
        let since = up.reconfigure(Way::Routes { count: ROUTES, other, last_is_other }, &clock);
        let body = Scenario::Reload.body() + usize::from(last_is_other);
        while length_of(up.site.listen, &route(ROUTES - 1)) != Some(body) {
            if clock.now() - since > PATIENCE {
                result = Err("a change of a route never came into force".to_owned());
                break;
            }
            std::thread::sleep(PROBE_EVERY);
        }
        took.push((clock.now() - since).as_secs_f64() * 1e3);
        if result.is_err() {
            break;
        }
    }
    let answered = load.join().unwrap();
    result?;
    let mut tell = |what: &str, value: f64, unit: &'static str, bound: f64| {
        let figure = Figure::new(&format!("reload: {what}, {title}"), value, unit).socket();
        report.push(if is_ours { figure.target(Target::AtMost(bound)) } else { figure });
    };
    tell("a changed route in force", quantile(took, 0.5), "ms", IN_FORCE_MS);
    tell("failed requests", answered.failed as f64, "", 0.0);
    Ok(())
}

/// Bytes of the body that a request on a new connection is answered with.
fn length_of(to: SocketAddr, path: &str) -> Option<usize> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&Ask::get(to, path, 0, true).request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    answer.starts_with(b"HTTP/1.1 200").then_some(answer.len() - end)
}
