//! Mamparo itself: the gateway of the released program, one worker.

use std::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use super::{Peer, Site, Way, free_address, route};
use crate::process::{Process, program};

pub(super) const PEER: Peer = Peer {
    name: "mamparo",
    find: || program().ok(),
    version: "--version",
    configure,
    take_over: |process: Process, _| process.signal(Signal::HUP),
};

/// No request of the bench is refused by it.
const POLICIES: &str = "{rate_limit: {rate: 1000000, per: 1s, burst: 1000000}, breaker: {}}";

fn configure(site: &Site) -> Result<Vec<String>, &'static str> {
    let service = site.service;
    let to_service = "    - {match: {path: /}, service: service, public: true}\n".to_owned();
    let (mut tls, mut protocol, mut other) = (String::new(), "", String::new());
    let mut certificates = String::new();
    let mut routes = to_service;
    match &site.way {
        Way::Plain => {}
        Way::Policies => {
            routes = format!(
                "    - {{match: {{path: /}}, service: service, public: true, \
                 retry: {{attempts: 2}}, policies: {POLICIES}}}\n"
            );
        }
        Way::Tls(certificate) | Way::Grpc(certificate) => {
            let (chain, key) = (certificate.chain.display(), certificate.key.display());
            let _ = writeln!(tls, "  gateway_tls: '{}'", site.listen);
            let _ = writeln!(certificates, "  tls: {{certificates: [{{cert: '{chain}', key: '{key}'}}]}}");
            if matches!(site.way, Way::Grpc(_)) {
                protocol = ", protocol: http2";
            }
        }
        Way::Routes { count, other: at, last_is_other } => {
            routes.clear();
            for number in 0..*count {
                let name = if number + 1 == *count && *last_is_other { "other" } else { "service" };
                let _ = writeln!(
                    routes,
                    "    - {{match: {{path: {}}}, service: {name}, public: true}}",
                    route(number)
                );
            }
            other = format!("  other: {{address: '{at}'}}\n");
        }
    }
    let gateway = if tls.is_empty() { site.listen } else { free_address() };
    let [mesh, admin, hub] = [(); 3].map(|()| free_address());
    let text = format!(
        "version: 1
listeners:
  gateway: '{gateway}'
  mesh: '{mesh}'
  admin: '{admin}'
  hub: '{hub}'
{tls}log: {{level: info, format: json}}
gateway:
  workers: 1
  limits: {{connections: 15000, header_time: 2m, idle: 2m}}
{certificates}  routes:
{routes}services:
  service: {{address: '{service}'{protocol}}}
{other}"
    );
    let file = site.folder.join("mamparo.yaml");
    // A configuration that is taken over keeps its addresses.
    let text = match fs::read_to_string(&file) {
        Ok(before) => with_listeners_of(&before, &text),
        Err(_) => text,
    };
    // Whole or not at all: it looks at its file, too.
    let new = site.folder.join("mamparo.new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, &file).unwrap();
    Ok(["run", "--role", "gateway", "--config", "mamparo.yaml"].map(str::to_owned).into())
}

/// `text` with the listeners of `before`.
fn with_listeners_of(before: &str, text: &str) -> String {
    let parts = |text: &str| {
        let (head, rest) = text.split_once("log: ").unwrap();
        (head.to_owned(), rest.to_owned())
    };
    format!("{}log: {}", parts(before).0, parts(text).1)
}
