//! From the routes of the configuration to those of the proxy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mamparo_balance::{Algorithm, Endpoint};
use mamparo_config::{
    Config, RouteAnswer, RouteMatch, RoutePath, RouteServices, RouteTarget, ServiceEndpoint, ServicePlace,
    ValueMatch,
};
use mamparo_proxy::{
    Access, Answer, HeaderMatch, Host, Match, Mirror, Passage, Path, PathRewrite, QueryMatch, Redirect,
    RequestKey, Rewrite, Route, Routing, Scheme, Services, Settings, Target, Upstream, Wanted, Weighted,
};

use mamparo_transform::forwarded::Forwarded;
use mamparo_transform::{Transform, TransformConfig};

use super::kept::{Kept, named};
use crate::failure::Failure;
use crate::supervise::Addresses;

/// How long a request by name may take; what is left of the caller's own deadline is shorter as a rule.
const MESH_TIME: Duration = Duration::from_secs(30);

/// The routing that `config` describes. A service without an address stays without an endpoint: its requests are
/// answered 503 until it has one. `stacks` gives the policies of each route.
pub(crate) fn routing(
    config: &Config,
    addresses: &Addresses,
    kept: &mut Kept<'_>,
) -> Result<Routing, Failure> {
    kept.guard(config.gateway.guard)?;
    let routes = config.gateway.routes.iter().map(|one| route(one, kept)).collect::<Result<Vec<_>, _>>()?;
    let upstreams = config.services.iter().map(|(name, service)| {
        let given = addresses.get(name).copied().map(Endpoint::new);
        Ok(Upstream {
            name: name.clone(),
            endpoints: match (&service.place, given) {
                (ServicePlace::Endpoints(all), _) => all.iter().map(endpoint).collect(),
                (ServicePlace::Given, given) => given.into_iter().collect(),
                // They are found when the name is looked up; what was found last is still known then.
                (ServicePlace::Dns { name, .. }, _) => kept.found(name),
            },
            balance: service.balance.clone(),
            key: (service.balance.algorithm == Algorithm::Maglev).then(|| key(&service.key)).transpose()?,
            transport: kept.transport(name, service)?,
            settings: Settings { request_timeout: MESH_TIME, ..Settings::default() },
        })
    });
    let upstreams = upstreams.collect::<Result<Vec<_>, Failure>>()?;
    let passages = config.gateway.passthrough.iter().map(|one| {
        let hosts = one.hosts.iter().map(|host| host.parse::<Host>().map_err(unusable));
        Ok(Passage { hosts: hosts.collect::<Result<_, _>>()?, service: one.service.clone() })
    });
    let passages = passages.collect::<Result<Vec<_>, Failure>>()?;
    let forwarded = Forwarded::new(&config.gateway.forwarded);
    let forwarded =
        forwarded.map_err(|error| Failure::config_unusable(error, "correct `gateway.forwarded`"))?;
    let routing = Routing::new(routes, upstreams).map_err(unusable)?.believing(forwarded);
    let routing = routing.with_entrance(config.gateway.proxy_protocol.clone(), passages);
    routing.map_err(|error| Failure::config_unusable(error, "correct `gateway.passthrough`"))
}

fn route(route: &mamparo_config::Route, kept: &mut Kept<'_>) -> Result<Route, Failure> {
    let policies = kept.stack(route)?;
    // A stack of a hedge alone has nothing that requests pass.
    let hedge = policies.as_ref().and_then(|stack| stack.hedge_alone()).map(Arc::new);
    let quotas = named(route).map(|(name, own)| kept.quota(&route.name, name, own));
    Ok(Route {
        name: route.name.clone(),
        matches: route.matches.iter().map(matches).collect::<Result<_, _>>()?,
        // The configuration loads only public routes until an identity can be proven.
        access: Access::Public,
        target: target(&route.target)?,
        settings: Settings {
            policies: policies.filter(|_| route.policies.is_some()),
            quotas: quotas.collect::<Result<_, _>>()?,
            criticality: route.criticality,
            hedge,
            cache: route.cache.as_ref().map(|own| kept.cache(&route.name, own)).transpose()?.flatten(),
            retry: route.retry.map(|retry| kept.retry(&route.name, retry)).transpose()?,
            replay_bytes: usize::try_from(route.replay).unwrap_or(usize::MAX),
            request_timeout: route.timeout,
            answer_timeout: route.answer_timeout,
            body_bytes: route.body,
            transform: route.transform.as_deref().map(transform).transpose()?,
            server_timing: route.server_timing,
            early_hints: route.early_hints,
            ..Settings::default()
        },
    })
}

fn transform(own: &TransformConfig) -> Result<Arc<Transform>, Failure> {
    Transform::new(own).map(Arc::new).map_err(unusable)
}

fn endpoint(one: &ServiceEndpoint) -> Endpoint {
    let endpoint = Endpoint::new(one.address).weight(one.weight);
    match &one.zone {
        Some(zone) => endpoint.zone(zone),
        None => endpoint,
    }
}

pub(super) fn key(key: &mamparo_config::RequestKey) -> Result<RequestKey, Failure> {
    use mamparo_config::RequestKey as Own;
    Ok(match key {
        Own::Address => RequestKey::Address,
        Own::Path => RequestKey::Path,
        Own::Header(name) => RequestKey::Header(name.parse().map_err(unusable)?),
        Own::Cookie(name) => RequestKey::Cookie(name.clone()),
    })
}

fn matches(one: &RouteMatch) -> Result<Match, Failure> {
    let header = |(name, value): (&String, &ValueMatch)| {
        let name = name.parse::<HeaderName>().map_err(unusable)?;
        Ok(HeaderMatch { name, value: wanted(value) })
    };
    let query =
        |(name, value): (&String, &ValueMatch)| QueryMatch { name: name.clone(), value: wanted(value) };
    Ok(Match {
        hosts: one
            .hosts
            .iter()
            .map(|host| host.parse::<Host>().map_err(unusable))
            .collect::<Result<_, _>>()?,
        path: match &one.path {
            RoutePath::Exact(path) => Path::Exact(path.clone()),
            RoutePath::Template(path) => Path::Template(path.clone()),
            RoutePath::Prefix(path) => Path::Prefix(path.clone()),
            RoutePath::Regex(pattern) => Path::Regex(pattern.clone()),
        },
        methods: one
            .methods
            .iter()
            .map(|method| Method::from_bytes(method.as_bytes()).map_err(unusable))
            .collect::<Result<_, _>>()?,
        headers: one.headers.iter().map(header).collect::<Result<_, Failure>>()?,
        query: one.query.iter().map(query).collect(),
    })
}

fn wanted(value: &ValueMatch) -> Wanted {
    match value {
        ValueMatch::Present => Wanted::Present,
        ValueMatch::Exact(text) => Wanted::Exact(text.clone()),
        ValueMatch::Regex(pattern) => Wanted::Regex(pattern.clone()),
    }
}

fn target(target: &RouteTarget) -> Result<Target, Failure> {
    Ok(match target {
        RouteTarget::Services(to) => Target::Services(services(to)),
        RouteTarget::Answer(own) => Target::Answer(answer(own)?),
        RouteTarget::Redirect(to) => Target::Redirect(Redirect {
            scheme: to.scheme.map(|scheme| if scheme == "https" { Scheme::Https } else { Scheme::Http }),
            host: to.host.clone(),
            port: to.port,
            path: to.path.as_ref().map(new_path),
            status: StatusCode::from_u16(to.status).map_err(unusable)?,
        }),
    })
}

fn services(to: &RouteServices) -> Services {
    let weighted = to.choice.iter().map(|(name, weight)| Weighted { name: name.clone(), weight: *weight });
    let mirror = to.mirror.as_ref().map(|(name, percent)| Mirror { name: name.clone(), percent: *percent });
    Services {
        choice: weighted.collect(),
        failover: to.failover.clone(),
        mirror,
        rewrite: Rewrite { host: to.host.clone(), path: to.path.as_ref().map(new_path) },
    }
}

fn new_path(path: &mamparo_config::PathRewrite) -> PathRewrite {
    match path {
        mamparo_config::PathRewrite::Prefix(prefix) => PathRewrite::Prefix(prefix.clone()),
        mamparo_config::PathRewrite::Full(path) => PathRewrite::Full(path.clone()),
    }
}

fn answer(own: &RouteAnswer) -> Result<Answer, Failure> {
    let header = |(name, value): (&String, &String)| {
        Ok((name.parse::<HeaderName>().map_err(unusable)?, HeaderValue::from_str(value).map_err(unusable)?))
    };
    Ok(Answer {
        status: StatusCode::from_u16(own.status).map_err(unusable)?,
        headers: own.headers.iter().map(header).collect::<Result<HeaderMap, Failure>>()?,
        body: Bytes::from(own.body.clone()),
    })
}

pub(crate) fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::config_unusable(error, "correct `gateway.routes`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mamparo_config::{check, limits};

    fn loads(routes: &str) -> Result<Routing, String> {
        let text = format!(
            "version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}, b: {{address: '127.0.0.1:2'}}}}\ngateway:\n  routes:\n{routes}"
        );
        let config = check(&text, "f").map_err(|problems| format!("{problems:?}"))?;
        let known = super::super::kept::Known::default();
        routing(&config, &Addresses::new(), &mut Kept::after(&known))
            .map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn what_the_configuration_accepts_the_proxy_takes() {
        let routes = "
    - {match: {}, service: a, public: true}
    - {match: {regex: '/v[0-9]+/.*', host: ['x.org', '*.x.org']}, service: a, public: true}
    - {match: {template: '/o/{id}'}, service: a, public: true, rewrite: {path: '/p/{id}', host: 'i:80'}}
    - {match: {path: /s}, service: a, public: true, rewrite: {strip_prefix: true}, failover: b, mirror: {service: b}}
    - {match: {path: /w, headers: {x-a: {regex: a+}}, query: {q: ''}}, services: [{service: a}, {service: b}], public: true}
    - {match: {path: /r}, redirect: {scheme: https, replace_prefix: /, status: 301}, public: true}
    - {match: {template: '/c/{id}', methods: [GET]}, service: a, public: true, transform: {cors: {origins: ['*']},
       compress: {}, headers: {request: {set: {x-id: '{id}'}}}, template: {answer: {body: {a: '{body.b}'}}}, external: {service: b}}}
    - {match: {path: /n, exact: true}, answer: {status: 404, headers: {x-a: b}}, public: true}
";
        assert_eq!(loads(routes).map(drop), Ok(()));
    }

    /// The bounds of the configuration are no wider than those of the proxy: what is too much is told with its place.
    #[test]
    fn what_is_as_large_as_it_may_be_is_taken_by_the_proxy_too() {
        let template: String = (0..limits::TEMPLATE_SEGMENTS_MAX).map(|n| format!("/{{v{n}}}")).collect();
        assert_eq!(
            loads(&format!("    - {{match: {{template: '{template}'}}, service: a, public: true}}\n"))
                .map(drop),
            Ok(())
        );
        let long = format!("/{}", "x".repeat(limits::REGEX_BYTES_MAX - 1));
        assert_eq!(
            loads(&format!("    - {{match: {{regex: '{long}'}}, service: a, public: true}}\n")).map(drop),
            Ok(())
        );
        let many = |size: usize| -> String {
            let one =
                |n| format!("    - {{match: {{regex: '/{n}/[a-z]{{{size}}}'}}, service: a, public: true}}\n");
            (0..limits::REGEXES_PER_HOST_MAX).map(one).collect()
        };
        // The largest that the configuration takes of so many.
        let sizes: Vec<usize> = (1..400).collect();
        let size = sizes.partition_point(|size| loads_as_config(&many(*size)));
        assert!(size > 10, "{size}");
        assert_eq!(loads(&many(size)).map(drop), Ok(()), "{size}");
    }

    fn loads_as_config(routes: &str) -> bool {
        let text =
            format!("version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}}}\ngateway:\n  routes:\n{routes}");
        check(&text, "f").is_ok()
    }
}
