//! What a client of HTTP/1.1 sends: the scanner that looks at heads, the parser behind it, and the routing. What one
//! of them reads in another way than the next one is how requests are smuggled.
#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;

use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use mamparo_proxy::fuzzing::{self, Framed, Led, Served, Verdict};
use mamparo_proxy::{
    Access, HeaderMatch, Match, Path, PathRewrite, QueryMatch, Redirect, Rewrite, Route, Routing, Services,
    Settings, Target, Upstream, Wanted,
};

fuzz_target!(|bytes: &[u8]| {
    let verdict = fuzzing::verdict(&[bytes]);
    let whole = fuzzing::serve(&[bytes]);
    is_read_as_it_was_framed(bytes, &fuzzing::framed(bytes), &whole);
    for cut in cuts(bytes) {
        let (first, second) = bytes.split_at(cut);
        let mut again = fuzzing::verdict(&[first, second]);
        if verdict.refused.as_ref().is_some_and(|why| why.contains("a chunk of the body")) {
            // What of a malformed body passes before that is seen is a matter of chance.
            again.passed = verdict.passed;
        }
        // The words may be others, the kind may not.
        let kind =
            |verdict: &Verdict| verdict.refused.as_ref().map(|why| why.split('(').next().unwrap().to_owned());
        assert_eq!(
            (again.passed, again.heads, kind(&again)),
            (verdict.passed, verdict.heads, kind(&verdict)),
            "cut at {cut}: {again:?}, {verdict:?}"
        );
    }
    let some =
        bytes.iter().fold(bytes.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let head = fuzzing::framed(bytes).first().map_or(0, |first| first.head.end);
    for cut in [some % (bytes.len() + 1), head] {
        let (first, second) = bytes.split_at(cut);
        is_the_same(&whole, &fuzzing::serve(&[first, second]), cut);
    }
    let goes_on = |(request, _): &(Request<Vec<u8>>, bool)| {
        // Nothing follows a CONNECT that is answered as it is here; the proxy refuses it, and closes.
        request.version() == http::Version::HTTP_11
            && request.method() != http::Method::CONNECT
            && !request.headers().contains_key("connection")
    };
    if verdict.refused.is_some() && whole.requests.iter().all(goes_on) {
        assert_eq!(statuses(&whole).last(), Some(&400), "what is refused is not answered: {verdict:?}");
    }
    for (request, _) in &whole.requests {
        is_led_in_one_way(request);
    }
});

/// All of them where that costs little.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..=bytes.len()).step_by(1 + bytes.len() / 256)
}

fn statuses(served: &Served) -> Vec<u16> {
    let text = String::from_utf8_lossy(&served.answered);
    let lines = text
        .split("\r\n")
        .filter_map(|line| line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 ")));
    lines.filter_map(|line| line.get(..3)?.parse().ok()).filter(|status| *status >= 200).collect()
}

fn is_the_same(whole: &Served, cut: &Served, at: usize) {
    let said = |served: &Served| {
        let requests = served.requests.iter();
        let requests = requests.map(|(request, whole)| {
            // What a body that breaks off has brought until then is a matter of chance.
            let body = whole.then(|| request.body().clone());
            (request.method().clone(), request.uri().clone(), request.headers().clone(), body)
        });
        (requests.collect::<Vec<_>>(), statuses(served))
    };
    assert_eq!(said(whole), said(cut), "cut at {at}");
}

/// The parser reads the requests that the scanner let through, with the same bodies, and refuses none of them.
fn is_read_as_it_was_framed(bytes: &[u8], framed: &[Framed], served: &Served) {
    assert!(served.requests.len() <= framed.len(), "the parser reads more requests than were let through");
    let mut goes_on = true;
    for (one, (request, whole)) in framed.iter().zip(&served.requests) {
        let mut lines = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Request::new(&mut lines);
        let status = head.parse(&bytes[one.head.clone()]);
        assert_eq!(status, Ok(httparse::Status::Complete(one.head.len())), "the head ends somewhere else");
        assert_eq!(head.method, Some(request.method().as_str()));
        if let Some(target) = head.path.filter(|target| target.starts_with('/')) {
            assert_eq!(request.uri(), target);
        }
        let fields = head.headers.iter().map(|line| (line.name.to_ascii_lowercase(), line.value));
        let mut fields: Vec<_> = fields.collect();
        let mut read: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes()))
            .collect();
        fields.sort();
        read.sort();
        assert_eq!(read, fields);

        let raw = &bytes[one.head.end..one.end.unwrap_or(bytes.len())];
        let is_chunked = request.headers().contains_key("transfer-encoding");
        let has_length = request.headers().contains_key("content-length");
        let body = if is_chunked {
            unchunked(raw)
        } else if has_length {
            raw.to_vec()
        } else {
            Vec::new()
        };
        assert_eq!(*whole, one.end.is_some(), "the body ends in one reading and not in the other");
        match one.end {
            Some(_) => assert_eq!(*request.body(), body),
            None => assert!(body.starts_with(request.body()), "{:?}", request.body()),
        }
        goes_on &= head.version == Some(1)
            && head.method != Some("CONNECT")
            && !request.headers().contains_key("connection")
            && *whole;
    }
    if goes_on {
        assert_eq!(served.requests.len(), framed.len(), "the parser refuses what was let through");
    }
}

/// The data in a chunked body, as far as it is there.
fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let digits = raw[..end].split(|byte| *byte == b';').next().unwrap();
        let Some(size) =
            std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok())
        else {
            break;
        };
        raw = &raw[end + 2..];
        data.extend_from_slice(&raw[..size.min(raw.len())]);
        raw = raw.get(size + 2..).unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    data
}

const NAMES: [&str; 10] =
    ["root", "exact", "template", "prefix", "regex", "asked", "old", "host", "below", "below-more"];

static ROUTING: LazyLock<Routing> = LazyLock::new(|| {
    let at = |path, hosts: &[&str]| Match {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        ..Match::path(path)
    };
    let prefix = |text: &str| Path::Prefix(text.into());
    let to = |path| {
        let rewrite = Rewrite { host: None, path };
        Target::Services(Services { rewrite, ..Services::one("it") })
    };
    let asked = Match {
        headers: vec![HeaderMatch { name: "x-key".parse().unwrap(), value: Wanted::Regex("[a-f]+".into()) }],
        query: vec![QueryMatch { name: "k".into(), value: Wanted::Exact("a b".into()) }],
        methods: vec![http::Method::GET],
        ..at(prefix("/q"), &[])
    };
    let old = Target::Redirect(Redirect {
        scheme: None,
        host: Some("new.test".into()),
        port: None,
        path: Some(PathRewrite::Prefix("/new".into())),
        status: StatusCode::FOUND,
    });
    let rows = [
        (at(prefix("/"), &[]), to(None)),
        (at(Path::Exact("/exact".into()), &[]), to(None)),
        (at(Path::Template("/t/{a}/x/{b}".into()), &[]), to(Some(PathRewrite::Full("/n/{b}/{a}".into())))),
        (at(prefix("/p"), &[]), to(Some(PathRewrite::Prefix("/".into())))),
        (at(Path::Regex("/v[0-9]+/.*".into()), &[]), to(None)),
        (asked, to(None)),
        (at(prefix("/old"), &[]), old),
        (at(prefix("/"), &["a.test"]), to(None)),
        (at(prefix("/"), &["*.b.test"]), to(None)),
        (at(prefix("/"), &["*.c.b.test"]), to(None)),
    ];
    let routes = NAMES.into_iter().zip(rows).map(|(name, (one, target))| Route {
        name: name.into(),
        matches: vec![one],
        access: Access::Public,
        target,
        settings: Settings::default(),
    });
    Routing::new(routes.collect(), vec![Upstream::new("it", &[])]).unwrap()
});

/// However a request writes its path and its host, it is led by the same one, and that one is forwarded.
fn is_led_in_one_way(request: &Request<Vec<u8>>) {
    let path = request.uri().path();
    let normal = fuzzing::normal(path);
    let led = fuzzing::lead(&ROUTING, request);
    let Some(normal) = normal else {
        assert!(led.is_err(), "a path that can be read in two ways is led somewhere: {path:?}");
        return;
    };
    assert_eq!(fuzzing::normal(&normal).as_deref(), Some(&*normal), "{path:?}");
    assert!(normal == "*" || normal.starts_with('/'), "{path:?} -> {normal:?}");
    for never in ["//", "/./", "/../", "\\", "%2e", "%2E", "%2f", "%5c", "%5C", "%00"] {
        assert!(!normal.contains(never), "{path:?} -> {normal:?}");
    }
    assert!(!normal.ends_with("/..") && !normal.ends_with("/."), "{path:?} -> {normal:?}");
    let Ok(led) = led else { return };

    let with_query = match request.uri().query() {
        Some(query) => Cow::Owned(format!("{normal}?{query}")),
        None => Cow::Borrowed(&*normal),
    };
    let mut again = request.clone();
    *again.uri_mut() = with_query.parse().unwrap();
    assert_eq!(fuzzing::lead(&ROUTING, &again).as_ref(), Ok(&led), "the normal form is led elsewhere");
    let host = request.headers()["host"].to_str().unwrap().to_ascii_uppercase();
    again.headers_mut().insert("host", host.parse().unwrap());
    assert_eq!(fuzzing::lead(&ROUTING, &again).as_ref(), Ok(&led), "the host in capitals is led elsewhere");

    let name = NAMES[led.route.unwrap()];
    assert_eq!(name, by_the_book(request, &host.to_ascii_lowercase(), &normal), "{normal:?} {host:?}");
    is_forwarded(&led, name, &normal, request.uri().query());
}

/// The route that takes a request, by the words of the manual.
fn by_the_book(request: &Request<Vec<u8>>, host: &str, path: &str) -> &'static str {
    let host = host.split(':').next().unwrap();
    let host = host.strip_suffix('.').unwrap_or(host);
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| !rest.is_empty());
    let under =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if host == "a.test" {
        return "host";
    } else if below(".c.b.test") {
        return "below-more";
    } else if below(".b.test") {
        return "below";
    } else if path == "/exact" {
        return "exact";
    }
    let segments: Vec<&str> = path.split('/').collect();
    if let ["", "t", a, "x", b] = segments[..]
        && !a.is_empty()
        && !b.is_empty()
    {
        return "template";
    }
    let is_asked = || {
        let mut keys = request.headers().get_all("x-key").iter();
        let key = keys.next().filter(|_| keys.next().is_none()).map_or(&b""[..], |key| key.as_bytes());
        let mut pairs = request.uri().query().unwrap_or_default().split('&');
        let value = pairs.find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == "k" || name == "%6b" || name == "%6B").then_some(value)
        });
        request.method() == "GET"
            && !key.is_empty()
            && key.iter().all(|byte| (b'a'..=b'f').contains(byte))
            && value.is_some_and(|value| {
                value.replace("%20", "+").replace("%61", "a").replace("%62", "b") == "a+b"
            })
    };
    if under("/p") {
        return "prefix";
    } else if under("/q") && is_asked() {
        return "asked";
    } else if under("/old") {
        return "old";
    }
    let digits =
        path.strip_prefix("/v").and_then(|rest| rest.split_once('/')).map_or("", |(digits, _)| digits);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) { "regex" } else { "root" }
}

/// What was matched is what the service is asked for.
fn is_forwarded(led: &Led, name: &str, normal: &str, query: Option<&str>) {
    let path = match name {
        "old" => return,
        "prefix" => match normal.strip_prefix("/p").unwrap() {
            "" => "/".to_owned(),
            rest => rest.to_owned(),
        },
        "template" => {
            let segments: Vec<&str> = normal.split('/').collect();
            format!("/n/{}/{}", segments[4], segments[2])
        }
        _ => normal.to_owned(),
    };
    let all = query.map_or(path.clone(), |query| format!("{path}?{query}"));
    assert_eq!(led.target, all);
}
