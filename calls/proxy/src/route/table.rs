//! The look-up: hosts, then paths, then methods. What a request costs here depends on its path, not on how many
//! routes there are.

use std::collections::HashMap;

use http::Method;

use super::{Host, Path};

/// What the table knows of a route.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) route: usize,
    pub(super) hosts: &'a [Host],
    pub(super) path: &'a Path,
    pub(super) methods: &'a [Method],
}

/// Two routes that take the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) first: usize,
    pub(super) second: usize,
}

/// What was found for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The route of this number.
    Route(usize),
    /// Routes that take the host and the path, but not the method: the methods they take.
    Methods(Vec<Method>),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    exact: HashMap<String, Paths>,
    /// The longest domain first.
    below: Vec<(String, Paths)>,
    any: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<String, Cell>,
    /// Without the slash at the end; the root is empty.
    prefix: HashMap<String, Cell>,
    longest_prefix: usize,
}

/// The routes of one host and path.
#[derive(Debug, Default)]
struct Cell {
    by_method: Vec<(Method, usize)>,
    any: Option<usize>,
}

impl Table {
    pub(super) fn new<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Result<Self, Clash> {
        let mut table = Self::default();
        for entry in entries {
            if entry.hosts.is_empty() {
                table.any.add(&entry)?;
            }
            for host in entry.hosts {
                table.paths(host).add(&entry)?;
            }
        }
        table.below.sort_by_key(|(domain, _)| std::cmp::Reverse(domain.len()));
        Ok(table)
    }

    fn paths(&mut self, host: &Host) -> &mut Paths {
        match host {
            Host::Exact(host) => self.exact.entry(host.clone()).or_default(),
            Host::Below(domain) => {
                let at = self.below.iter().position(|(own, _)| own == domain).unwrap_or_else(|| {
                    self.below.push((domain.clone(), Paths::default()));
                    self.below.len() - 1
                });
                &mut self.below[at].1
            }
        }
    }

    /// The route for a request; `path` is in its normal form, `host` in lower case.
    pub(super) fn find(&self, host: &str, path: &str, method: &Method) -> Found {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        let below = self
            .below
            .iter()
            .filter(|(domain, _)| host.len() > domain.len() && host.ends_with(domain.as_str()));
        let mut allowed = Vec::new();
        let candidates = exact.into_iter().chain(below.map(|(_, paths)| paths)).chain([&self.any]);
        for paths in candidates {
            if let Some(route) = paths.find(path, method, &mut allowed) {
                return Found::Route(route);
            }
        }
        if allowed.is_empty() { Found::Nothing } else { Found::Methods(allowed) }
    }
}

impl Paths {
    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Clash> {
        let cell = match entry.path {
            Path::Exact(path) => self.exact.entry(path.clone()).or_default(),
            Path::Prefix(prefix) => {
                let prefix = prefix.trim_end_matches('/');
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefix.entry(prefix.to_owned()).or_default()
            }
        };
        cell.add(entry)
    }

    fn find(&self, path: &str, method: &Method, allowed: &mut Vec<Method>) -> Option<usize> {
        if !self.exact.is_empty()
            && let Some(route) = self.exact.get(path).and_then(|cell| cell.find(method, allowed))
        {
            return Some(route);
        }
        if self.prefix.is_empty() {
            return None;
        }
        // From the longest prefix that any route has down to the root, cutting at slashes only.
        let mut end = path.len();
        loop {
            if end <= self.longest_prefix {
                let cell = path.get(..end).and_then(|prefix| self.prefix.get(prefix));
                if let Some(route) = cell.and_then(|cell| cell.find(method, allowed)) {
                    return Some(route);
                }
            }
            end = path.get(..end)?.rfind('/')?;
        }
    }
}

impl Cell {
    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Clash> {
        let clash = |first| Err(Clash { first, second: entry.route });
        if entry.methods.is_empty()
            && let Some(first) = self.any.replace(entry.route)
        {
            return clash(first);
        }
        for method in entry.methods {
            if let Some((_, first)) = self.by_method.iter().find(|(own, _)| own == method) {
                return clash(*first);
            }
            self.by_method.push((method.clone(), entry.route));
        }
        Ok(())
    }

    fn find(&self, method: &Method, allowed: &mut Vec<Method>) -> Option<usize> {
        let named = self.by_method.iter().find(|(own, _)| own == method).map(|(_, route)| *route);
        let found = named.or(self.any);
        if found.is_none() {
            allowed.extend(self.by_method.iter().map(|(own, _)| own.clone()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static [&'static str], Path, &'static [Method]);

    fn table(rows: &[Row]) -> Result<Table, Clash> {
        let hosts: Vec<Vec<Host>> =
            rows.iter().map(|row| row.0.iter().map(|host| host.parse().unwrap()).collect()).collect();
        let entry = |route: usize| Entry {
            route,
            hosts: &hosts[route],
            path: &rows[route].1,
            methods: rows[route].2,
        };
        Table::new((0..rows.len()).map(entry))
    }

    fn exact(path: &str) -> Path {
        Path::Exact(path.into())
    }

    fn prefix(path: &str) -> Path {
        Path::Prefix(path.into())
    }

    #[test]
    fn the_more_precise_route_wins() {
        let table = table(&[
            (&[], prefix("/"), &[]),
            (&[], prefix("/a"), &[]),
            (&[], prefix("/a/b/"), &[]),
            (&[], exact("/a/b"), &[]),
            (&["x.org"], prefix("/"), &[]),
            (&["*.x.org"], prefix("/"), &[]),
            (&["*.y.x.org"], prefix("/a"), &[]),
            (&["x.org"], exact("/m"), &[Method::GET]),
            (&["x.org"], exact("/m"), &[]),
            (&[], exact("/only"), &[Method::PUT]),
        ])
        .unwrap();
        for (method, host, path, route) in [
            ("GET", "z", "/", 0),
            ("GET", "z", "/b", 0),
            ("GET", "z", "/ab", 0),
            ("GET", "z", "/a", 1),
            ("GET", "z", "/a/", 1),
            ("GET", "z", "/a/bc", 1),
            ("GET", "z", "/a/b", 3),
            ("GET", "z", "/a/b/", 2),
            ("GET", "z", "/a/b/c/d", 2),
            ("GET", "x.org", "/a/b", 4),
            ("GET", "w.x.org", "/a/b", 5),
            ("GET", "v.w.x.org", "/a", 5),
            ("GET", "z.y.x.org", "/a/b", 6),
            ("GET", "z.y.x.org", "/b", 5),
            ("GET", "y.x.org", "/a", 5),
            ("GET", "ax.org", "/a", 1),
            ("GET", "x.org", "/m", 7),
            ("PUT", "x.org", "/m", 8),
            ("PUT", "z", "/only", 9),
            ("GET", "z", "/only", 0),
            ("GET", "x.org", "/only", 4),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(table.find(host, path, &method), Found::Route(route), "{method} {host} {path}");
        }
    }

    #[test]
    fn a_method_that_no_route_takes_is_told_apart_from_nothing() {
        let table =
            table(&[(&[], exact("/a"), &[Method::GET, Method::PUT]), (&[], prefix("/a"), &[Method::POST])])
                .unwrap();
        let allowed = Found::Methods(vec![Method::GET, Method::PUT, Method::POST]);
        assert_eq!(table.find("z", "/a", &Method::DELETE), allowed);
        assert_eq!(table.find("z", "/", &Method::GET), Found::Nothing);
        assert_eq!(table.find("z", "", &Method::GET), Found::Nothing);
    }

    #[test]
    fn two_routes_for_the_same_request_clash() {
        let clash = Err(Clash { first: 0, second: 1 });
        for rows in [
            &[(&[][..], exact("/a"), &[][..]), (&[], exact("/a"), &[])],
            &[(&[], prefix("/a"), &[]), (&[], prefix("/a/"), &[])],
            &[(&[], exact("/a"), &[Method::GET, Method::PUT]), (&[], exact("/a"), &[Method::PUT])],
            &[(&["a", "b"], exact("/a"), &[]), (&["b"], exact("/a"), &[])],
        ] {
            assert_eq!(table(rows).map(|_| ()), clash, "{rows:?}");
        }
        assert!(table(&[(&["a"], exact("/a"), &[]), (&["b"], exact("/a"), &[])]).is_ok());
        assert!(table(&[(&[], exact("/a"), &[]), (&[], prefix("/a"), &[])]).is_ok());
    }
}
