//! A proxy without a network, in front of a service that is a closure, with a clock that is moved by hand.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use mamparo_context::{Clock, ManualClock};
use mamparo_http_cache::{Begin, Fill, HttpCache, HttpCacheConfig, RequestHead, Verdict, Waited, When};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// What the manual clock begins with.
pub(crate) const START: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
pub(crate) const DAY_BEFORE: &str = "Wed, 31 Dec 2025 00:00:00 GMT";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) host: &'static str,
    pub(crate) path: String,
    pub(crate) query: Option<&'static str>,
    pub(crate) headers: HeaderMap,
}

pub(crate) fn get(path: &str) -> Ask {
    ask("GET", path)
}

pub(crate) fn ask(method: &str, path: &str) -> Ask {
    let method = method.parse().unwrap();
    Ask { method, host: "shop.example", path: path.into(), query: None, headers: HeaderMap::new() }
}

impl Ask {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            scheme: "https",
            authority: self.host,
            path: &self.path,
            query: self.query,
            headers: &self.headers,
            has_body: false,
        }
    }
}

pub(crate) fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

/// An answer of the service.
pub(crate) fn answer(status: u16, lines: &[(&'static str, &str)], body: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    *answer.headers_mut() = map(lines);
    answer
}

/// An answer that is fresh for so many seconds.
pub(crate) fn fresh(seconds: u32, body: &str) -> Response<Bytes> {
    answer(200, &[("cache-control", &format!("max-age={seconds}")), ("etag", "\"1\"")], body)
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Whether the service was asked before the client was answered.
    pub(crate) asked: bool,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }

    fn of(answer: Response<Bytes>, asked: bool) -> Self {
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, body, asked }
    }
}

pub(crate) struct Rig {
    pub(crate) cache: HttpCache,
    pub(crate) clock: Clock,
    pub(crate) manual: ManualClock,
}

pub(crate) fn rig() -> Rig {
    rig_with(|_| {})
}

pub(crate) fn rig_with(change: impl FnOnce(&mut HttpCacheConfig)) -> Rig {
    let mut config = HttpCacheConfig::default();
    change(&mut config);
    let (clock, manual) = Clock::manual();
    Rig { cache: HttpCache::new("test", &config).unwrap(), clock, manual }
}

impl Rig {
    pub(crate) fn when(&self) -> When {
        When::of(&self.clock)
    }

    pub(crate) fn pass(&self, seconds: u32) {
        self.manual.advance(SECOND * seconds);
    }

    pub(crate) fn begin(&self, ask: &Ask) -> Begin {
        self.begin_again(ask, Waited::default())
    }

    pub(crate) fn begin_again(&self, ask: &Ask, waited: Waited) -> Begin {
        self.cache.begin(&ask.head(), self.when(), waited)
    }

    /// The fetch of a request that nobody else makes.
    pub(crate) fn miss(&self, ask: &Ask) -> Fill {
        match self.begin(ask) {
            Begin::Miss(fill) => fill,
            other => panic!("{other:?}"),
        }
    }

    /// Does with a request all that a proxy does. `service` is given the headers of what is forwarded.
    pub(crate) fn send(&self, ask: &Ask, service: impl FnOnce(&HeaderMap) -> Response<Bytes>) -> Got {
        match self.begin(ask) {
            Begin::Hit(answer) | Begin::Stale(answer) => Got::of(answer, false),
            Begin::StaleServe { answer, revalidate } => {
                self.fetch(revalidate, ask, service);
                Got::of(answer, false)
            }
            Begin::Miss(fill) => self.fetch(fill, ask, service),
            Begin::Bypass(bypass) => {
                let mut answer = service(&ask.headers);
                let status = answer.status();
                bypass.answer_head(status, answer.headers_mut());
                Got::of(answer, true)
            }
            Begin::OnlyIfCached => Got::of(answer(504, &[], ""), false),
            Begin::Wait(_) => panic!("nobody fetches"),
        }
    }

    /// Forwards a request, and gives what comes to the cache and to the client.
    pub(crate) fn fetch(
        &self,
        mut fill: Fill,
        ask: &Ask,
        service: impl FnOnce(&HeaderMap) -> Response<Bytes>,
    ) -> Got {
        let mut headers = ask.headers.clone();
        fill.write_conditions(&mut headers);
        let mut answer = service(&headers);
        let status = answer.status();
        let verdict = fill.answer_head(status, answer.headers_mut(), self.when());
        let read = |mut fill: Fill| {
            for chunk in answer.body().chunks(3) {
                fill.push(&Bytes::copy_from_slice(chunk));
            }
            fill.finish();
        };
        match verdict {
            Verdict::Pass => Got::of(answer, true),
            Verdict::Store => {
                read(fill);
                Got::of(answer, true)
            }
            Verdict::StoreBehind(instead) => {
                read(fill);
                Got::of(instead, true)
            }
            Verdict::Instead(instead) => Got::of(instead, true),
        }
    }

    /// A request that must not reach the service.
    pub(crate) fn hit(&self, ask: &Ask) -> Got {
        self.send(ask, |_| panic!("the service is asked: {ask:?}"))
    }

    /// A request that must be forwarded, to be answered so.
    pub(crate) fn forwarded(&self, ask: &Ask, with: Response<Bytes>) -> Got {
        let mut is_asked = false;
        let got = self.send(ask, |_| {
            is_asked = true;
            with
        });
        assert!(is_asked && got.asked, "{ask:?} is answered from the cache: {got:?}");
        got
    }
}
