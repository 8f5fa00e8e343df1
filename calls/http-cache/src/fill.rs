//! The fetch of an answer that may be kept: the one who forwards a request holds it, and tells it what comes.

mod landing;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use mamparo_cache::Reading;

use crate::When;
use crate::cache::{Answer, Inner};
use crate::core::conditional;
use crate::core::freshness::{Times, http_date};
use crate::core::request::Asked;
use crate::core::serve::not_modified;
use crate::core::status::{Done, Forward};
use crate::core::storable::{self, Unstorable};
use crate::core::{update, vary};
use crate::counts::add;
use crate::entry::{Entry, Place, Stored, weight_of_headers};
use crate::flights::Seat;
use crate::limits::{FAILED_FOR, HEADER_BYTES_MAX, UNCACHEABLE_FOR};
use landing::Outcome;

/// Bytes that are reserved at once for a body; more are when they come.
const RESERVED_BYTES: usize = 64 << 10;

/// What a request is forwarded for.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) request: HeaderMap,
    pub(crate) asked: Asked,
    /// What is kept, but has to be asked for.
    pub(crate) kept: Option<Arc<Stored>>,
    pub(crate) began: When,
    pub(crate) forward: Forward,
    pub(crate) is_behind: bool,
}

/// An answer that is being read.
#[derive(Debug)]
struct Coming {
    status: StatusCode,
    headers: HeaderMap,
    times: Times,
    tags: Vec<Arc<str>>,
    names: Vec<HeaderName>,
    body: BytesMut,
    /// How long it says that it is.
    length: Option<usize>,
}

/// A fetch. It ends with [`finish`](Self::finish) or [`fail`](Self::fail); dropped before that, it is as if it had not
/// begun: of those who wait, one fetches in its place.
///
/// The request is forwarded as a GET without a body, with the headers that
/// [`write_conditions`](Self::write_conditions) makes.
#[derive(Debug)]
#[must_use = "others wait for it"]
pub struct Fill {
    inside: Box<Inside>,
}

#[derive(Debug)]
struct Inside {
    cache: Arc<Inner>,
    /// Until it has landed.
    seat: Option<Seat>,
    reading: Option<Reading<Place, Entry>>,
    errand: Errand,
    coming: Option<Coming>,
    /// Bytes of it that count as being read.
    buffered: u64,
}

/// What is to be done with the answer to a forwarded request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes to the client, and nothing of it is kept.
    Pass,
    /// It goes to the client, and its body to [`push`](Fill::push), too.
    Store,
    /// The client gets this instead, that it has the answer already; the body goes to [`push`](Fill::push) only.
    StoreBehind(Answer),
    /// The client gets this instead; the body, if there is one, goes nowhere.
    Instead(Answer),
}

impl Fill {
    pub(crate) fn new(cache: Arc<Inner>, seat: Seat, errand: Errand) -> Self {
        cache.fills.fetch_add(1, Ordering::Relaxed);
        let reading = Some(cache.store.reading());
        let inside = Inside { cache, seat: Some(seat), reading, errand, coming: None, buffered: 0 };
        Self { inside: Box::new(inside) }
    }

    /// Makes of the headers of a request those that it is forwarded with: it asks for the whole, and if something is
    /// kept, only if that has changed.
    pub fn write_conditions(&self, headers: &mut HeaderMap) {
        let kept = self.inside.errand.kept.as_deref();
        conditional::ask(headers, kept.map(|kept| (kept.status, &kept.headers)));
    }

    /// The head of the answer has come, without headers of the hop. `headers` become those that the client gets, if it
    /// gets them.
    pub fn answer_head(&mut self, status: StatusCode, headers: &mut HeaderMap, when: When) -> Verdict {
        self.inside.answer_head(status, headers, when)
    }

    /// A piece of the body has come. What is too large is not kept, and nobody waits for it any more.
    pub fn push(&mut self, chunk: &Bytes) {
        self.inside.push(chunk);
    }

    /// The answer has come whole.
    pub fn finish(mut self) {
        self.inside.finish();
    }

    /// No answer came, or none that is one. Where there is an old answer that is good enough, it is the client's.
    pub fn fail(mut self, when: When) -> Option<Answer> {
        self.inside.fail(None, when)
    }

    /// The client cannot wait for the answer any longer, which says nothing of the service: of those who wait, one fetches
    /// in its place. Where there is an old answer that is good enough, it is the client's.
    pub fn give_up(self, when: When) -> Option<Answer> {
        self.inside.instead(None, when)
    }

    /// Whether it still wants pieces: what is too large, or purged, is none of those.
    pub fn is_open(&self) -> bool {
        self.inside.seat.is_some()
    }
}

impl Inside {
    fn answer_head(&mut self, status: StatusCode, headers: &mut HeaderMap, when: When) -> Verdict {
        if self.seat.is_none() || self.coming.is_some() {
            return Verdict::Pass;
        }
        if status == StatusCode::NOT_MODIFIED
            && let Some(kept) = self.errand.kept.clone()
            && storable::has_validator(kept.status, &kept.headers)
        {
            return Verdict::Instead(self.not_modified(&kept, headers, when));
        }
        if matches!(status.as_u16(), 500 | 502 | 503 | 504)
            && let Some(answer) = self.instead(Some(status), when)
        {
            self.land(Outcome::Failed(when.now + FAILED_FOR));
            return Verdict::Instead(answer);
        }
        let judged = self.judge(status, headers, when);
        for name in &self.cache.rules.tag_headers {
            headers.remove(name);
        }
        match judged {
            Ok(coming) => {
                if !headers.contains_key(header::DATE)
                    && let Some(date) = coming.headers.get(header::DATE)
                {
                    headers.insert(header::DATE, date.clone());
                }
                self.store(coming, headers)
            }
            Err(_) => {
                // What is wrong for a moment says nothing about the answers to come.
                let is_passing = status.is_server_error() || matches!(status.as_u16(), 304 | 408 | 425 | 429);
                self.land(match is_passing {
                    true => Outcome::Failed(when.now + FAILED_FOR),
                    false => Outcome::Uncacheable(when.now + UNCACHEABLE_FOR),
                });
                self.cache.say(self.done(false), headers, None);
                Verdict::Pass
            }
        }
    }

    fn done(&self, stored: bool) -> Done {
        Done { stored, ..Done::forwarded(self.errand.forward) }
    }

    /// What is kept of an answer, if it is.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, when: When) -> Result<Coming, Unstorable> {
        let (rules, errand) = (&self.cache.rules, &self.errand);
        let times =
            storable::judge((status, headers), errand.asked.authorized, &rules.storing, errand.began, when)?;
        let names = vary::names(headers).ok_or(Unstorable::Vary)?;
        let length = length(headers)?;
        let mut kept = update::kept(headers, &rules.tag_headers);
        if !kept.contains_key(header::DATE)
            && let Some(date) = http_date(when.wall)
        {
            kept.insert(header::DATE, date);
        }
        let is_large = length.is_some_and(|length| length > rules.object_bytes_max);
        if is_large || weight_of_headers(&kept) > HEADER_BYTES_MAX {
            return Err(Unstorable::TooLarge);
        }
        let tags = tags(headers, &rules.tag_headers)?;
        let body = BytesMut::with_capacity(length.unwrap_or(0).min(RESERVED_BYTES));
        Ok(Coming { status, headers: kept, times, tags, names, body, length })
    }

    /// The answer is read from now on; whoever waits for another variant of it need not wait any more.
    fn store(&mut self, coming: Coming, headers: &mut HeaderMap) -> Verdict {
        if !self.move_to(&coming.names) {
            self.land(Outcome::Uncacheable(coming.times.received + UNCACHEABLE_FOR));
            self.cache.say(self.done(false), headers, None);
            return Verdict::Pass;
        }
        let done = self.done(true);
        let is_known = self.errand.asked.condition.is_met(coming.status, headers);
        let verdict = match is_known && !self.errand.is_behind {
            true => {
                let mut answer = not_modified(&coming.headers);
                self.cache.say(done, answer.headers_mut(), None);
                Verdict::StoreBehind(answer)
            }
            false => {
                self.cache.say(done, headers, None);
                Verdict::Store
            }
        };
        self.coming = Some(coming);
        verdict
    }

    /// What is kept has not changed: it lives on with what the answer says.
    fn not_modified(&mut self, kept: &Stored, headers: &HeaderMap, when: When) -> Answer {
        let rules = &self.cache.rules;
        if !update::is_about(&kept.headers, headers) {
            let answer = self.serve(kept, Some(StatusCode::NOT_MODIFIED), false, when);
            self.land(Outcome::Forgotten);
            return answer;
        }
        let keeps_cookies = rules.storing.keeps_cookies;
        let mut merged = update::refreshed(&kept.headers, headers, &rules.tag_headers, keeps_cookies);
        if !headers.contains_key(header::DATE)
            && let Some(date) = http_date(when.wall)
        {
            merged.insert(header::DATE, date);
        }
        let mut judged = merged.clone();
        if let Some(age) = headers.get(header::AGE) {
            judged.insert(header::AGE, age.clone());
        }
        let (authorized, began) = (self.errand.asked.authorized, self.errand.began);
        let times = storable::judge((kept.status, &judged), authorized, &rules.storing, began, when);
        let has_tags = rules.tag_headers.iter().any(|name| headers.contains_key(name));
        let tags = if has_tags { tags(headers, &rules.tag_headers) } else { Ok(kept.tags.clone()) };
        add(&self.cache.counters.revalidated);
        let names = vary::names(&merged).unwrap_or_default();
        let (times, tags) = match (times, tags) {
            (Ok(times), Ok(tags)) => (Ok(times), tags),
            (Err(reason), _) | (_, Err(reason)) => (Err(reason), Vec::new()),
        };
        let refreshed =
            Stored::new(kept.status, merged, kept.body.clone(), times.unwrap_or(kept.times), tags);
        let refreshed = Arc::new(refreshed);
        let mut answer = self.serve(&refreshed, Some(StatusCode::NOT_MODIFIED), times.is_ok(), when);
        if !keeps_cookies {
            for cookie in headers.get_all(header::SET_COOKIE) {
                answer.headers_mut().append(header::SET_COOKIE, cookie.clone());
            }
        }
        self.land(match times {
            Ok(_) => Outcome::Stored(refreshed, names),
            Err(_) => Outcome::Uncacheable(when.now + UNCACHEABLE_FOR),
        });
        answer
    }

    fn push(&mut self, chunk: &Bytes) {
        let Some(coming) = &mut self.coming else { return };
        let length = coming.body.len() + chunk.len();
        if length > self.cache.rules.object_bytes_max {
            let until = coming.times.received + UNCACHEABLE_FOR;
            return self.land(Outcome::Uncacheable(until));
        }
        let more = chunk.len() as u64;
        self.buffered += more;
        let buffered = self.cache.buffered.fetch_add(more, Ordering::Relaxed) + more;
        coming.body.extend_from_slice(chunk);
        if buffered > self.cache.buffered_max() {
            // No room for now: the next one may be luckier.
            let until = coming.times.received + FAILED_FOR;
            self.land(Outcome::Uncacheable(until));
        }
    }

    fn finish(&mut self) {
        let Some(coming) = &mut self.coming else { return };
        if coming.length.is_some_and(|length| length != coming.body.len()) {
            let until = coming.times.received + FAILED_FOR;
            return self.land(Outcome::Failed(until));
        }
        let read = std::mem::take(&mut coming.body);
        // What was reserved beyond it would be kept with it, and not be counted.
        let is_tight = read.capacity() - read.len() <= read.len() / 8;
        let body = if is_tight { read.freeze() } else { Bytes::copy_from_slice(&read) };
        let (headers, tags) = (std::mem::take(&mut coming.headers), std::mem::take(&mut coming.tags));
        let names = std::mem::take(&mut coming.names);
        let stored = Stored::new(coming.status, headers, body, coming.times, tags);
        self.land(Outcome::Stored(Arc::new(stored), names));
    }

    fn fail(&mut self, answered: Option<StatusCode>, when: When) -> Option<Answer> {
        let answer = self.instead(answered, when);
        self.land(Outcome::Failed(when.now + FAILED_FOR));
        answer
    }

    /// What stands in for an error, if anything does.
    fn instead(&self, answered: Option<StatusCode>, when: When) -> Option<Answer> {
        let kept = self.errand.kept.as_ref()?;
        let may = !self.errand.asked.wishes.no_cache && kept.times.replaces_error(when.now);
        if !may || self.coming.is_some() {
            return None;
        }
        add(&self.cache.counters.stale);
        Some(self.serve(kept, answered, false, when))
    }

    fn serve(&self, stored: &Stored, answered: Option<StatusCode>, is_kept: bool, when: When) -> Answer {
        let mut answer = stored.serve(&self.errand.asked, &self.errand.request, when.now);
        let done = Done { answered, ..self.done(is_kept) };
        self.cache.say(done, answer.headers_mut(), Some((&stored.times, when.now)));
        answer
    }
}

/// How long a body says that it is.
fn length(headers: &HeaderMap) -> Result<Option<usize>, Unstorable> {
    let Some(said) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = said.to_str().ok().and_then(|said| said.parse().ok());
    // What cannot be read is more than can be kept.
    length.map(Some).ok_or(Unstorable::TooLarge)
}

/// The tags of an answer, each once.
fn tags(headers: &HeaderMap, of: &[HeaderName]) -> Result<Vec<Arc<str>>, Unstorable> {
    use crate::limits::TAG_BYTES_MAX;
    let mut tags: Vec<Arc<str>> = Vec::new();
    for line in of.iter().flat_map(|name| headers.get_all(name)) {
        let text = line.to_str().map_err(|_| Unstorable::Tags)?;
        for tag in text.split([',', ' ', '\t']).filter(|tag| !tag.is_empty()) {
            if tag.len() > TAG_BYTES_MAX || tags.len() >= mamparo_cache::limits::TAGS_PER_ENTRY {
                return Err(Unstorable::Tags);
            }
            if !tags.iter().any(|known| **known == *tag) {
                tags.push(Arc::from(tag));
            }
        }
    }
    Ok(tags)
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.land(Outcome::Aborted);
    }
}
