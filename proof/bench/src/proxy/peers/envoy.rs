//! Envoy, one worker thread, everything static but the routes that are replaced.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Peer, Site, Way, on_path, route};

pub(super) const PEER: Peer = Peer {
    name: "Envoy",
    find,
    version: "--version",
    configure,
    // It watches the file of its routes, which has been put in the place of the old one.
    take_over: |_, _| {},
};

/// On the path, or in the folder into which the wheel was installed.
fn find() -> Option<PathBuf> {
    let installed = std::env::current_exe().ok()?.parent()?.parent()?.join("bench-peers/envoy/_bin/envoy");
    on_path("envoy").or_else(|| installed.is_file().then_some(installed))
}

const RETRY: &str = ", retry_policy: {retry_on: 'connect-failure,refused-stream,5xx', num_retries: 2}";
const RATE_LIMIT: &str = "
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limit
              token_bucket: {max_tokens: 1000000, tokens_per_fill: 1000000, fill_interval: 1s}
              filter_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}
              filter_enforced: {default_value: {numerator: 100, denominator: HUNDRED}}";
const BREAKER: &str = "
    circuit_breakers:
      thresholds: [{max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, \
                       retry_budget: {budget_percent: {value: 20}}}]
    outlier_detection: {consecutive_5xx: 5, interval: 10s, base_ejection_time: 5s}";

fn configure(site: &Site) -> Result<Vec<String>, &'static str> {
    let folder = site.folder.display();
    let is_policies = matches!(site.way, Way::Policies);
    let (limit, breaker) = if is_policies { (RATE_LIMIT, BREAKER) } else { ("", "") };
    let protocol = if matches!(site.way, Way::Grpc(_)) {
        "
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}"
    } else {
        ""
    };
    let mut clusters = cluster("service", site.service, &format!("{protocol}{breaker}"));
    let mut tls = String::new();
    let retry = if is_policies { RETRY } else { "" };
    let mut routing = format!(
        "route_config: {{name: routes, virtual_hosts: [{{name: all, domains: ['*'], \
         routes: [{{match: {{prefix: /}}, route: {{cluster: service{retry}}}}}]}}]}}"
    );
    match &site.way {
        Way::Plain | Way::Policies => {}
        Way::Tls(certificate) | Way::Grpc(certificate) => {
            let (chain, key) = (certificate.chain.display(), certificate.key.display());
            let _ = write!(
                tls,
                "
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          disable_stateless_session_resumption: true
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{{certificate_chain: {{filename: '{chain}'}}, private_key: {{filename: '{key}'}}}}]"
            );
        }
        Way::Routes { count, other, last_is_other } => {
            replace_routes(site, *count, *last_is_other);
            clusters += &cluster("other", *other, "");
            routing = format!(
                "rds: {{route_config_name: routes, config_source: {{path_config_source: {{path: '{folder}/routes.yaml', \
                 watched_directory: {{path: '{folder}'}}}}}}}}"
            );
        }
    }
    let (host, port) = (site.listen.ip(), site.listen.port());
    let text = format!(
        "static_resources:
  listeners:
  - name: edge
    address: {{socket_address: {{address: {host}, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          use_remote_address: true
          {routing}
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: '{folder}/access.log'
          http_filters:{limit}
          - name: envoy.filters.http.router
            typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}{tls}
  clusters:
{clusters}"
    );
    let file = site.folder.join("envoy.yaml");
    if !file.exists() {
        fs::write(&file, text).unwrap();
    }
    let words =
        "--concurrency 1 --disable-hot-restart -l warn --service-node bench --service-cluster bench -c";
    Ok(words.split(' ').map(str::to_owned).chain([file.display().to_string()]).collect())
}

fn cluster(name: &str, service: SocketAddr, more: &str) -> String {
    let (host, port) = (service.ip(), service.port());
    format!(
        "  - name: {name}
    type: STATIC
    load_assignment:
      cluster_name: {name}
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {host}, port_value: {port}}}}}}}}}]}}]{more}
"
    )
}

/// Writes the routes to a file beside the one that is watched, and renames it: the change is whole.
fn replace_routes(site: &Site, count: usize, last_is_other: bool) {
    let mut text = "resources:
- '@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: routes
  virtual_hosts:
  - name: all
    domains: ['*']
    routes:
"
    .to_owned();
    for number in 0..count {
        let name = if number + 1 == count && last_is_other { "other" } else { "service" };
        let _ = writeln!(text, "    - {{match: {{prefix: {}}}, route: {{cluster: {name}}}}}", route(number));
    }
    let new = site.folder.join("routes.new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, site.folder.join("routes.yaml")).unwrap();
}
