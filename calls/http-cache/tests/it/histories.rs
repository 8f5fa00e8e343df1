//! Random histories: whatever leaders and waiters do, in whatever order, nobody hangs, nobody gets what is another's, and
//! nothing is left behind.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use mamparo_http_cache::{Begin, Fill, Purge, Verdict, Waited, Waiter};
use proptest::prelude::*;

use crate::rig::*;

const HOSTS: [&str; 2] = ["a.example", "b.example"];
const PATHS: [&str; 2] = ["/x", "/y"];
const VARIANTS: [&str; 3] = ["1", "2", "3"];

/// What happens next; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Comes { host: usize, path: usize, variant: usize, kind: usize },
    Head { fetch: usize, answer: usize },
    Body(usize),
    Finish(usize),
    Fail(usize),
    DropFetch(usize),
    DropWaiter(usize),
    Purge(usize),
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..64_usize;
    prop_oneof![
        6 => (0..2_usize, 0..2_usize, 0..3_usize, 0..8_usize)
            .prop_map(|(host, path, variant, kind)| Step::Comes { host, path, variant, kind }),
        4 => (any.clone(), 0..8_usize).prop_map(|(fetch, answer)| Step::Head { fetch, answer }),
        2 => any.clone().prop_map(Step::Body),
        3 => any.clone().prop_map(Step::Finish),
        1 => any.clone().prop_map(Step::Fail),
        1 => any.clone().prop_map(Step::DropFetch),
        1 => any.clone().prop_map(Step::DropWaiter),
        1 => any.prop_map(Step::Purge),
        1 => (1..20_u32).prop_map(Step::Pass),
    ]
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Fetch {
    client: usize,
    ask: Ask,
    fill: Fill,
    /// Of the body, how much is left to come; `None` until the head has come.
    left: Option<String>,
}

struct Wait {
    client: usize,
    ask: Ask,
    waiter: Waiter,
    woken: Arc<Woken>,
    times: u32,
}

struct History {
    rig: Rig,
    clients: usize,
    fetches: Vec<Fetch>,
    waits: Vec<Wait>,
}

/// What the service says: which resource, which variant if it varies, and to whom if it is for one.
fn body(client: usize, ask: &Ask, kind: usize) -> (u16, &'static [(&'static str, &'static str)], String) {
    let name = format!("{}{}", ask.host, ask.path);
    let variant = ask.headers["x-v"].to_str().unwrap();
    match kind {
        0 | 1 => (
            200,
            &[("cache-control", "max-age=9"), ("vary", "x-v"), ("etag", "\"1\"")],
            format!("{name} v{variant}"),
        ),
        2 => (200, &[("cache-control", "max-age=9, stale-while-revalidate=9"), ("cache-tag", "t")], name),
        3 => (200, &[("cache-control", "private, max-age=9")], format!("{name} for {client}")),
        4 => (
            200,
            &[("cache-control", "max-age=0"), ("etag", "\"2\""), ("vary", "x-v, x-w")],
            format!("{name} v{variant}"),
        ),
        5 => (503, &[], format!("{name} bad")),
        6 => (200, &[("cache-control", "max-age=9"), ("vary", "*")], format!("{name} for {client}")),
        _ => (
            200,
            &[("cache-control", "no-cache, stale-if-error=9"), ("etag", "\"3\""), ("vary", "x-v")],
            format!("{name} v{variant}"),
        ),
    }
}

impl History {
    fn new() -> Self {
        let small = rig_with(|config| {
            config.capacity_bytes = 1 << 20;
            config.object_bytes_max = 1 << 10;
        });
        Self { rig: small, clients: 0, fetches: Vec::new(), waits: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Comes { host, path, variant, kind } => {
                let ask = Ask { host: HOSTS[host], ..get(PATHS[path]) }.with("x-v", VARIANTS[variant]);
                let ask = match kind {
                    0 => ask.with("cache-control", "no-cache"),
                    1 => ask.with("authorization", "me"),
                    2 => ask.with("if-none-match", "\"1\""),
                    _ => ask,
                };
                self.clients += 1;
                self.begin(self.clients, ask, Waited::default(), 0);
            }
            Step::Head { fetch, answer } => {
                if let Some(at) = choose(fetch, self.fetches.len()) {
                    self.head(at, answer);
                }
            }
            Step::Body(fetch) => {
                if let Some(at) = choose(fetch, self.fetches.len()) {
                    self.body(at);
                }
            }
            Step::Finish(fetch) => {
                if let Some(at) = choose(fetch, self.fetches.len()) {
                    self.finish(at);
                }
            }
            Step::Fail(fetch) => {
                if let Some(at) = choose(fetch, self.fetches.len()) {
                    let Fetch { client, ask, fill, .. } = self.fetches.swap_remove(at);
                    if let Some(answer) = fill.fail(self.rig.when()) {
                        check(client, &ask, &answer);
                    }
                }
            }
            Step::DropFetch(fetch) => {
                if let Some(at) = choose(fetch, self.fetches.len()) {
                    drop(self.fetches.swap_remove(at));
                }
            }
            Step::DropWaiter(wait) => {
                if let Some(at) = choose(wait, self.waits.len()) {
                    drop(self.waits.swap_remove(at));
                }
            }
            Step::Purge(what) => {
                let address = format!("https://{}{}", HOSTS[what % 2], PATHS[what / 2 % 2]);
                let purge = match what % 4 {
                    0 => Purge::Tag("t".into()),
                    1 => Purge::Address(address),
                    2 => Purge::Prefix(format!("https://{}", HOSTS[what / 4 % 2])),
                    _ => Purge::All,
                };
                self.rig.cache.purge(&purge).unwrap();
            }
            Step::Pass(seconds) => self.rig.pass(seconds),
        }
        self.poll();
    }

    fn begin(&mut self, client: usize, ask: Ask, waited: Waited, times: u32) {
        match self.rig.begin_again(&ask, waited) {
            Begin::Hit(answer) | Begin::Stale(answer) => check(client, &ask, &answer),
            Begin::StaleServe { answer, revalidate } => {
                check(client, &ask, &answer);
                self.fetches.push(Fetch { client, ask, fill: revalidate, left: None });
            }
            Begin::Miss(fill) => self.fetches.push(Fetch { client, ask, fill, left: None }),
            Begin::Wait(waiter) => {
                assert!(times < 3, "nobody waits for ever");
                let woken = Arc::new(Woken(AtomicBool::new(true)));
                self.waits.push(Wait { client, ask, waiter, woken, times: times + 1 });
            }
            other => panic!("{other:?}"),
        }
    }

    fn head(&mut self, at: usize, kind: usize) {
        let Fetch { client, ask, fill, left } = &mut self.fetches[at];
        if left.is_some() {
            return;
        }
        let mut forwarded = ask.headers.clone();
        fill.write_conditions(&mut forwarded);
        let (mut status, lines, text) = body(*client, ask, kind);
        let mut headers = map(lines);
        if headers.get("etag").is_some_and(|etag| forwarded.get("if-none-match") == Some(etag)) {
            status = 304;
        }
        let status = http::StatusCode::from_u16(status).unwrap();
        match fill.answer_head(status, &mut headers, self.rig.when()) {
            Verdict::Store | Verdict::StoreBehind(_) => *left = Some(text),
            Verdict::Pass => drop(self.fetches.swap_remove(at)),
            Verdict::Instead(answer) => {
                check(*client, ask, &answer);
                drop(self.fetches.swap_remove(at));
            }
        }
    }

    fn body(&mut self, at: usize) {
        let Fetch { fill, left, .. } = &mut self.fetches[at];
        if let Some(left) = left {
            let (now, later) = left.split_at(left.len().min(3));
            fill.push(&bytes::Bytes::copy_from_slice(now.as_bytes()));
            *left = later.to_owned();
        }
    }

    fn finish(&mut self, at: usize) {
        if self.fetches[at].left.is_none() {
            return;
        }
        while self.fetches[at].left.as_ref().is_some_and(|left| !left.is_empty()) {
            self.body(at);
        }
        self.fetches.swap_remove(at).fill.finish();
    }

    /// Everybody who was woken goes on.
    fn poll(&mut self) {
        let is_woken = |wait: &Wait| wait.woken.0.swap(false, Ordering::SeqCst);
        while let Some(at) = self.waits.iter().position(is_woken) {
            let wait = &mut self.waits[at];
            let waker = Waker::from(Arc::clone(&wait.woken));
            if let Poll::Ready(waited) = Pin::new(&mut wait.waiter).poll(&mut Context::from_waker(&waker)) {
                let Wait { client, ask, times, .. } = self.waits.swap_remove(at);
                self.begin(client, ask, waited, times);
            }
        }
    }

    /// All who fetch come to an end, and so do all who wait.
    fn end(mut self) {
        for _ in 0..1_000 {
            let Some(at) = self.fetches.len().checked_sub(1) else { break };
            self.head(at, at % 8);
            if self.fetches.get(at).is_some_and(|fetch| fetch.left.is_some()) {
                self.finish(at);
            }
            self.poll();
        }
        assert!(self.fetches.is_empty() && self.waits.is_empty(), "{} still wait", self.waits.len());
        let description = self.rig.cache.describe();
        assert_eq!((description.fills, description.buffered_bytes), (0, 0));
    }
}

fn choose(number: usize, among: usize) -> Option<usize> {
    number.checked_rem(among)
}

/// Whether an answer is one that this client may have.
fn check(client: usize, ask: &Ask, answer: &http::Response<bytes::Bytes>) {
    if answer.status() == 304 {
        assert_eq!(answer.headers()["etag"], ask.headers["if-none-match"]);
        return;
    }
    let text = std::str::from_utf8(answer.body()).unwrap();
    let mut words = text.split(' ');
    assert_eq!(words.next(), Some(&*format!("{}{}", ask.host, ask.path)), "{text}");
    match words.next() {
        None => {}
        Some("for") => assert_eq!(words.next(), Some(&*client.to_string()), "{text}"),
        Some(variant) => assert_eq!(variant.strip_prefix('v'), ask.headers["x-v"].to_str().ok(), "{text}"),
    }
}

proptest! {
    #[test]
    fn nobody_hangs_and_nobody_gets_what_is_anothers(steps in proptest::collection::vec(step(), 1..120)) {
        let mut history = History::new();
        for step in &steps {
            history.step(step);
        }
        history.end();
    }
}
