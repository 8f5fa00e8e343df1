//! nginx, one worker.

use std::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use super::{Peer, Site, Way, on_path, route};
use crate::process::Process;
use crate::proxy::tls::Certificate;

pub(super) const PEER: Peer = Peer {
    name: "nginx",
    find: || on_path("nginx"),
    version: "-v",
    configure,
    take_over: |process: Process, _| process.signal(Signal::HUP),
};

fn configure(site: &Site) -> Result<Vec<String>, &'static str> {
    let (folder, service) = (site.folder.display(), site.service);
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let (listen, upstreams, locations) = match &site.way {
        Way::Plain => (format!("listen {};", site.listen), upstream("service", service), location("/")),
        Way::Policies => return Err("no retry budget and no breaker to compare with"),
        Way::Tls(certificate) => (tls(site, certificate), upstream("service", service), location("/")),
        Way::Grpc(certificate) => (
            tls(site, certificate),
            upstream("service", service),
            "location / { grpc_pass grpc://service; grpc_set_header X-Request-ID $request_id; \
             grpc_set_header X-Forwarded-For $remote_addr; }\n"
                .to_owned(),
        ),
        Way::Routes { count, other, last_is_other } => {
            let mut locations = String::new();
            for number in 0..*count {
                let name = if number + 1 == *count && *last_is_other { "other" } else { "service" };
                let _ = writeln!(locations, "location {} {{ proxy_pass http://{name}; }}", route(number));
            }
            let upstreams = upstream("service", service) + &upstream("other", *other);
            (format!("listen {};", site.listen), upstreams, locations)
        }
    };
    let text = format!(
        "{user}
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 15000; }}
http {{
access_log {folder}/access.log combined;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
keepalive_requests 1000000000;
keepalive_timeout 120s;
client_header_timeout 120s;
tcp_nodelay on;
proxy_max_temp_file_size 0;
proxy_http_version 1.1;
proxy_set_header Connection \"\";
proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Request-ID $request_id;
{upstreams}
server {{
{listen}
{locations}
}}
}}
"
    );
    let file = site.folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    Ok(["-e", "stderr", "-p", &site.folder.display().to_string(), "-c", &file.display().to_string()]
        .map(str::to_owned)
        .into())
}

fn tls(site: &Site, certificate: &Certificate) -> String {
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    format!(
        "listen {} ssl http2;\nssl_certificate {chain};\nssl_certificate_key {key};\nssl_session_tickets off;\nssl_protocols TLSv1.2 TLSv1.3;",
        site.listen
    )
}

fn upstream(name: &str, service: std::net::SocketAddr) -> String {
    format!("upstream {name} {{ server {service}; keepalive 64; keepalive_requests 1000000000; }}\n")
}

fn location(path: &str) -> String {
    format!("location {path} {{ proxy_pass http://service; }}\n")
}
