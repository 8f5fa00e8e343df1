//! What a service is asked for, and where a client is sent: the path as it was matched, changed as the route says.

use std::borrow::Cow;

use http::HeaderValue;
use http::uri::{PathAndQuery, Uri};

use super::target::{PathRewrite, Redirect};
use super::template::{Template, fill};
use crate::problem::Problem;

/// How the path of a request was matched, as far as a rewrite needs to know.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// By a prefix of this length, without the slash at its end.
    Prefix(usize),
    Template(Template),
    Other,
}

impl Form {
    /// What a variable stands for in a path that was matched so.
    pub(super) fn value<'p>(&self, name: &str, normal: &'p str) -> Option<&'p str> {
        match self {
            Self::Template(template) => template.value(name, normal),
            Self::Prefix(_) | Self::Other => None,
        }
    }
}

/// The path that takes the place of `normal`.
fn path<'p>(rewrite: Option<&PathRewrite>, form: &Form, normal: &'p str) -> Cow<'p, str> {
    let mut text = String::new();
    match (rewrite, form) {
        (None, _) => return Cow::Borrowed(normal),
        (Some(PathRewrite::Prefix(prefix)), Form::Prefix(length)) => {
            text.push_str(prefix.trim_end_matches('/'));
            text.push_str(normal.get(*length..).unwrap_or_default());
        }
        (Some(PathRewrite::Full(full)), Form::Template(template)) => {
            fill(full, &mut text, |name| template.value(name, normal).unwrap_or_default());
        }
        (Some(PathRewrite::Prefix(full) | PathRewrite::Full(full)), _) => text.push_str(full),
    }
    if text.is_empty() {
        text.push('/');
    }
    Cow::Owned(text)
}

/// The target in origin form: the path as it was matched and rewritten, and the query as it came.
pub(super) fn target(
    uri: &Uri,
    normal: &str,
    rewrite: Option<&PathRewrite>,
    form: &Form,
) -> Result<Uri, Problem> {
    if rewrite.is_none() && normal == uri.path() {
        return match uri.path_and_query() {
            Some(_) if uri.authority().is_none() => Ok(uri.clone()),
            Some(path) => Ok(Uri::from(path.clone())),
            None => Err(Problem::Path),
        };
    }
    let mut text = path(rewrite, form, normal).into_owned();
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map(Uri::from).map_err(|_| Problem::Path)
}

/// Where a client is sent that named `host` in `authority`. What stays as the client has it is left out where a
/// reference may leave it out (RFC 3986, section 4.2): nothing here knows better than the client how it came.
pub(super) fn location(
    redirect: &Redirect,
    form: &Form,
    (authority, host): (&str, &str),
    (normal, query): (&str, Option<&str>),
) -> Result<HeaderValue, Problem> {
    let mut text = String::new();
    if redirect.scheme.is_some() || redirect.host.is_some() || redirect.port.is_some() {
        if let Some(scheme) = redirect.scheme {
            text.push_str(scheme.as_str());
            text.push(':');
        }
        text.push_str("//");
        let host = redirect.host.as_deref().unwrap_or(host);
        if host.contains(':') {
            text.extend(["[", host, "]"]);
        } else {
            text.push_str(host);
        }
        let usual = redirect.scheme.map(super::Scheme::usual_port);
        let kept = || redirect.scheme.is_none().then(|| port_of(authority)).flatten();
        if let Some(port) = redirect.port.or_else(kept).filter(|port| Some(*port) != usual) {
            text.push(':');
            text.push_str(&port.to_string());
        }
    }
    text.push_str(&path(redirect.path.as_ref(), form, normal));
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    HeaderValue::try_from(text).map_err(|_| Problem::Path)
}

/// The port that an authority names.
fn port_of(authority: &str) -> Option<u16> {
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_address.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Scheme;
    use super::*;
    use http::StatusCode;

    #[test]
    fn a_prefix_gives_way_to_another() {
        let form = Form::Prefix("/foo".len());
        for (prefix, normal, becomes) in [
            ("/xyz", "/foo/bar", "/xyz/bar"),
            ("/xyz/", "/foo/bar", "/xyz/bar"),
            ("/xyz", "/foo/", "/xyz/"),
            ("/xyz", "/foo", "/xyz"),
            ("/", "/foo/bar", "/bar"),
            ("/", "/foo/", "/"),
            ("/", "/foo", "/"),
        ] {
            let rewrite = PathRewrite::Prefix(prefix.into());
            assert_eq!(path(Some(&rewrite), &form, normal), becomes, "{prefix} {normal}");
        }
        let rewrite = PathRewrite::Prefix("/a".into());
        assert_eq!(path(Some(&rewrite), &Form::Prefix(0), "/b"), "/a/b");
    }

    #[test]
    fn a_whole_path_gives_way_and_variables_are_filled_in() {
        let rewrite = PathRewrite::Full("/v2/{id}/all".into());
        let template = Form::Template(Template::parse("/orders/{id}").unwrap());
        assert_eq!(path(Some(&rewrite), &template, "/orders/7%2F8"), "/v2/7%2F8/all");
        assert_eq!(path(Some(&PathRewrite::Full("/x".into())), &Form::Other, "/orders/7"), "/x");
    }

    #[test]
    fn a_client_is_sent_elsewhere_and_keeps_what_is_not_named() {
        let stay = Redirect { scheme: None, host: None, port: None, path: None, status: StatusCode::FOUND };
        let path = |text: &str| Some(PathRewrite::Full(text.into()));
        let other = |text: &str| Some(text.to_owned());
        for (redirect, location_is) in [
            (Redirect { path: path("/b"), ..stay.clone() }, "/b?q=1"),
            (Redirect { scheme: Some(Scheme::Https), ..stay.clone() }, "https://x.org/a?q=1"),
            (
                Redirect { scheme: Some(Scheme::Https), port: Some(443), ..stay.clone() },
                "https://x.org/a?q=1",
            ),
            (
                Redirect { scheme: Some(Scheme::Http), port: Some(8443), ..stay.clone() },
                "http://x.org:8443/a?q=1",
            ),
            (Redirect { host: other("y.org"), ..stay.clone() }, "//y.org:8080/a?q=1"),
            (
                Redirect { host: other("::1"), port: Some(1), path: path("/"), ..stay.clone() },
                "//[::1]:1/?q=1",
            ),
        ] {
            let location = location(&redirect, &Form::Other, ("x.org:8080", "x.org"), ("/a", Some("q=1")));
            assert_eq!(location.unwrap(), location_is, "{redirect:?}");
        }
        let ports = [("x", None), ("x:1", Some(1)), ("[::1]", None), ("[::1]:2", Some(2)), ("x:", None)];
        for (authority, port) in ports {
            assert_eq!(port_of(authority), port, "{authority}");
        }
    }
}
