//! HAProxy, one thread.

use std::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use super::{Peer, Site, Way, on_path, route};
use crate::process::Process;

pub(super) const PEER: Peer = Peer {
    name: "HAProxy",
    find: || on_path("haproxy"),
    version: "-v",
    configure,
    take_over: |process: Process, _| process.signal(Signal::USR2),
};

fn configure(site: &Site) -> Result<Vec<String>, &'static str> {
    let (bind, protocol, rules, other) = match &site.way {
        Way::Plain => (String::new(), "", String::new(), String::new()),
        Way::Policies => return Err("no retry budget and no breaker to compare with"),
        Way::Tls(certificate) => {
            (tls(&certificate.both.display().to_string()), "", String::new(), String::new())
        }
        Way::Grpc(certificate) => {
            (tls(&certificate.both.display().to_string()), "proto h2", String::new(), String::new())
        }
        Way::Routes { count, other, last_is_other } => {
            let map = site.folder.join("routes.map");
            let mut routes = String::new();
            for number in 0..*count {
                let name = if number + 1 == *count && *last_is_other { "other" } else { "service" };
                let _ = writeln!(routes, "{} {name}", route(number));
            }
            fs::write(&map, routes).unwrap();
            let rule = format!("use_backend %[path,map_beg({},service)]\n", map.display());
            (String::new(), "", rule, format!("backend other\n  server other {other}\n"))
        }
    };
    let text = format!(
        "global
  nbthread 1
  no strict-limits
  maxconn 10100
  log stdout format raw local0
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  unique-id-format %{{+X}}o%ci%cp%ts%rt
  unique-id-header X-Request-ID
  timeout connect 5s
  timeout client 120s
  timeout server 30s
  timeout http-request 120s
  timeout http-keep-alive 120s
frontend edge
  bind {}{bind}
  http-request set-header X-Forwarded-Proto http
  {rules}
  default_backend service
backend service
  server service {} {protocol}
{other}",
        site.listen, site.service
    );
    let file = site.folder.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    // A master takes signals for a new configuration; without it there is one process.
    let mode = if matches!(site.way, Way::Routes { .. }) { "-W" } else { "-db" };
    Ok([mode, "-f", &file.display().to_string()].map(str::to_owned).into())
}

fn tls(certificate: &str) -> String {
    format!(" ssl crt {certificate} alpn h2,http/1.1")
}
