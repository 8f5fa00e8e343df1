//! What one match asks for, each part of it checked by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::path::{self, Wrong};
use super::pattern::Patterns;
use super::{ROUTES, Spot};
use crate::check::Checker;
use crate::config::{RouteMatch, RoutePath, ValueMatch};
use crate::file::{self, Wanted};
use crate::tree::Step;

impl Checker<'_> {
    pub(super) fn matches(
        &mut self,
        spot: Spot,
        raw: file::RouteMatch,
        patterns: &mut Patterns,
        answers_preflights: bool,
    ) -> RouteMatch {
        let hosts = raw.host.iter().flat_map(|hosts| &hosts.all).map(|host| host.to_ascii_lowercase());
        let hosts: BTreeSet<String> = hosts.inspect(|host| self.host(spot, host)).collect();
        let times = 1 + if answers_preflights { preflights(&raw) } else { 0 };
        let path = self.route_path(spot, &raw, (&hosts, times), patterns);
        let methods = raw.methods.into_iter().flatten().map(method).collect();
        let mut headers = BTreeMap::new();
        for (name, wanted) in raw.headers {
            self.header_name(spot, &name);
            let wanted = self.wanted(spot, ["headers", &name], wanted, patterns);
            if headers.insert(name.to_ascii_lowercase(), wanted).is_some() {
                self.value_at(spot, ["headers", &name], format!("`{name}` is asked for twice"), None);
            }
        }
        let mut query = BTreeMap::new();
        for (name, wanted) in raw.query {
            let wanted = self.wanted(spot, ["query", &name], wanted, patterns);
            query.insert(name, wanted);
        }
        RouteMatch { hosts, path, methods, headers, query }
    }

    fn route_path(
        &mut self,
        spot: Spot,
        raw: &file::RouteMatch,
        (hosts, times): (&BTreeSet<String>, usize),
        patterns: &mut Patterns,
    ) -> RoutePath {
        let given = [("path", &raw.path), ("template", &raw.template), ("regex", &raw.regex)];
        let given: Vec<(&str, &str)> =
            given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect();
        if let [(first, _), (second, _), ..] = *given {
            let message = format!("a path is described by `{first}` or by `{second}`, not by both");
            self.match_at(spot, second, message, Some("two descriptions are two items of `match`".into()));
        }
        if raw.exact && raw.path.is_none() {
            let message = "`exact` is said of a `path`".to_owned();
            self.match_at(spot, "exact", message, Some("leave it out".into()));
        }
        let tell = |this: &mut Self, key, wrong: Result<(), Wrong>| {
            if let Err(Wrong(message, help)) = wrong {
                this.match_at(spot, key, message, help);
            }
        };
        match given.first() {
            Some(("template", template)) => {
                tell(self, "template", path::check_template(template));
                RoutePath::Template((*template).to_owned())
            }
            Some(("regex", pattern)) => {
                if let Err(why) = patterns.path(pattern, hosts, times) {
                    let message = format!("`{pattern}` is not an expression that can be tried: {why}");
                    self.match_at(spot, "regex", message, None);
                } else if !pattern.starts_with(['/', '(', '[', '.', '\\']) {
                    let help = format!("did you mean `/{pattern}`?");
                    self.match_at(spot, "regex", "a path begins with /".into(), Some(help));
                }
                RoutePath::Regex((*pattern).to_owned())
            }
            Some((_, text)) => {
                tell(self, "path", path::check(text));
                if raw.exact {
                    return RoutePath::Exact((*text).to_owned());
                }
                let trimmed = text.trim_end_matches('/');
                RoutePath::Prefix(if trimmed.is_empty() { "/".into() } else { trimmed.to_owned() })
            }
            None => RoutePath::Prefix("/".into()),
        }
    }

    fn host(&mut self, spot: Spot, host: &str) {
        if !is_host(host) && host.parse::<std::net::Ipv6Addr>().is_err() {
            let help = "a host alone, without scheme and port: shop.example or *.shop.example".to_owned();
            self.match_at(spot, "host", format!("`{host}` is not a host"), Some(help));
        }
    }

    fn header_name(&mut self, spot: Spot, name: &str) {
        if !is_header(name) {
            let help = "letters, digits and -".to_owned();
            self.value_at(spot, ["headers", name], format!("`{name}` is not a name of a header"), Some(help));
        } else if name.eq_ignore_ascii_case("host") {
            let help = "say `host` beside `headers`".to_owned();
            self.value_at(spot, ["headers", name], "the host is not a header here".into(), Some(help));
        }
    }

    fn wanted(&mut self, spot: Spot, keys: [&str; 2], wanted: Wanted, patterns: &mut Patterns) -> ValueMatch {
        match wanted {
            Wanted::Exact(text) => {
                if keys[0] == "headers" && (text.trim() != text || text.contains(char::is_control)) {
                    self.value_at(spot, keys, "no header has such a value".into(), None);
                }
                ValueMatch::Exact(text)
            }
            Wanted::Regex(pattern) => {
                if let Err(why) = patterns.value(&pattern) {
                    let message = format!("`{pattern}` is not an expression that can be tried: {why}");
                    self.value_at(spot, keys, message, None);
                }
                ValueMatch::Regex(pattern)
            }
            Wanted::Present(must) => {
                if !must {
                    let help = "leave it out where it need not be there".to_owned();
                    self.value_at(
                        spot,
                        keys,
                        "a route cannot ask that something be absent".into(),
                        Some(help),
                    );
                }
                ValueMatch::Present
            }
        }
    }

    /// A problem at a header or a parameter of a match.
    fn value_at(&mut self, spot: Spot, keys: [&str; 2], message: String, suggestion: Option<String>) {
        let mut steps = vec![ROUTES[0], ROUTES[1], Step::Index(spot.route), Step::Key("match")];
        steps.extend(spot.number.map(Step::Index));
        steps.push(Step::Key(keys[0]));
        self.at_key(&steps, keys[1], message, suggestion);
    }
}

/// How many more descriptions the proxy makes of a match whose route answers preflight requests: one for each method that
/// they may ask about, unless the match takes all of them itself.
fn preflights(raw: &file::RouteMatch) -> usize {
    let methods = raw.methods.as_deref().unwrap_or_default();
    let takes_all = methods.is_empty() || methods.iter().any(|one| matches!(one, file::Method::Options));
    if takes_all && raw.headers.is_empty() {
        return 0;
    }
    methods.iter().map(|one| method(*one)).collect::<BTreeSet<_>>().len().max(1)
}

/// Whether it is a name of a host, or of all below a domain.
pub(super) fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| !label.is_empty() && label.bytes().all(letter);
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether it can be the name of a header (RFC 9110, section 5.1).
pub(super) fn is_header(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn method(method: file::Method) -> &'static str {
    match method {
        file::Method::Get => "GET",
        file::Method::Head => "HEAD",
        file::Method::Post => "POST",
        file::Method::Put => "PUT",
        file::Method::Patch => "PATCH",
        file::Method::Delete => "DELETE",
        file::Method::Options => "OPTIONS",
    }
}
