//! Which preflight requests a route takes besides what it says itself (the Fetch standard's CORS-preflight request): those
//! that ask about a request which it would take. Of that request they name the method, in `access-control-request-method`,
//! and carry no headers, so that none are asked for.

use http::Method;
use http::header;

use super::matches::{HeaderMatch, Match, Wanted};

/// The preflight requests for what `own` takes; none where it takes every preflight request itself. What a route takes by
/// these goes before what another takes by its path alone, and never clashes.
pub(super) fn matches(own: &Match) -> Vec<Match> {
    let takes_all = own.methods.is_empty() || own.methods.contains(&Method::OPTIONS);
    if takes_all && own.headers.is_empty() {
        return Vec::new();
    }
    let asked = |value: Wanted| Match {
        methods: vec![Method::OPTIONS],
        headers: vec![
            HeaderMatch { name: header::ORIGIN, value: Wanted::Present },
            HeaderMatch { name: header::ACCESS_CONTROL_REQUEST_METHOD, value },
        ],
        ..own.clone()
    };
    match own.methods.is_empty() {
        true => vec![asked(Wanted::Present)],
        false => own.methods.iter().map(|method| asked(Wanted::Exact(method.to_string()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Path;

    fn taken(methods: &[Method], headers: Vec<HeaderMatch>) -> Vec<(Wanted, usize)> {
        let own = Match { methods: methods.into(), headers, ..Match::path(Path::Exact("/a".into())) };
        let all = matches(&own);
        assert!(all.iter().all(|one| one.path == own.path && one.methods == [Method::OPTIONS]));
        all.into_iter().map(|one| (one.headers[1].value.clone(), one.headers.len())).collect()
    }

    #[test]
    fn a_route_takes_preflights_for_its_methods_and_whatever_headers_it_asks_for() {
        let header = || vec![HeaderMatch { name: header::COOKIE, value: Wanted::Present }];
        let exact = |method: &str| (Wanted::Exact(method.into()), 2);
        assert_eq!(taken(&[Method::GET, Method::PUT], Vec::new()), [exact("GET"), exact("PUT")]);
        assert_eq!(taken(&[Method::GET], header()), [exact("GET")]);
        assert_eq!(taken(&[], header()), [(Wanted::Present, 2)]);
        assert_eq!(taken(&[], Vec::new()), []);
        assert_eq!(taken(&[Method::GET, Method::OPTIONS], Vec::new()), []);
    }
}
