//! From the routes of the configuration to those of the proxy.

use std::time::Duration;

use http::Method;
use mamparo_config::{Config, Route, RouteMatch};
use mamparo_proxy::{Access, Host, Match, Path, Routing, Settings, Target, Upstream};

use super::stacks::Stacks;
use crate::failure::Failure;
use crate::supervise::Addresses;

/// How long a request by name may take; what is left of the caller's own deadline is shorter as a rule.
const MESH_TIME: Duration = Duration::from_secs(30);

/// The routing that `config` describes. A service without an address stays without an endpoint: its requests are
/// answered 503 until it has one. `stacks` gives the policies of each route.
pub(crate) fn routing(
    config: &Config,
    addresses: &Addresses,
    stacks: &mut Stacks<'_>,
) -> Result<Routing, Failure> {
    let routes = config.gateway.routes.iter().map(|one| route(one, stacks)).collect::<Result<Vec<_>, _>>()?;
    let upstreams = config.services.iter().map(|(name, service)| {
        let endpoint = addresses.get(name).copied().or(service.address);
        let settings = Settings { request_timeout: MESH_TIME, ..Settings::default() };
        Upstream { settings, ..Upstream::new(name, endpoint.as_slice()) }
    });
    Routing::new(routes, upstreams.collect()).map_err(unusable)
}

fn route(route: &Route, stacks: &mut Stacks<'_>) -> Result<mamparo_proxy::Route, Failure> {
    let matches = &route.matches;
    let hosts = matches.host.as_deref().map(host).transpose()?;
    let path = matches.path.clone();
    Ok(mamparo_proxy::Route {
        name: name(matches),
        matches: vec![Match {
            hosts: hosts.into_iter().collect(),
            path: if matches.exact { Path::Exact(path) } else { Path::Prefix(path) },
            methods: matches
                .methods
                .iter()
                .filter_map(|method| Method::from_bytes(method.as_bytes()).ok())
                .collect(),
            ..Match::default()
        }],
        // The configuration loads only public routes until an identity can be proven.
        access: Access::Public,
        target: Target::service(route.service.clone()),
        settings: Settings {
            policies: route
                .policies
                .as_ref()
                .map(|own| stacks.of(&name(matches), own))
                .transpose()?
                .flatten(),
            request_timeout: route.timeout,
            answer_timeout: route.answer_timeout,
            body_bytes: route.body,
            ..Settings::default()
        },
    })
}

/// What a route is called in logs and metrics: what it matches.
pub(crate) fn name(matches: &RouteMatch) -> String {
    let methods: Vec<&str> = matches.methods.iter().copied().collect();
    let methods = if methods.is_empty() { String::new() } else { format!("{} ", methods.join(",")) };
    let exact = if matches.exact { " exactly" } else { "" };
    format!("{methods}{}{}{exact}", matches.host.as_deref().unwrap_or(""), matches.path)
}

fn host(text: &str) -> Result<Host, Failure> {
    text.parse::<Host>().map_err(unusable)
}

pub(crate) fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::config_unusable(error, "correct `gateway.routes`")
}
