//! Listens to the notes of other nodes, notices when some were lost, and says what could not be said before.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use mamparo_context::Context;
use mamparo_policy::time::{sleep_until, timeout_at};
use tokio::sync::oneshot;

use super::two_level::{Inner, count};
use super::{Note, Notes, Scope};
use crate::cache::{Key, Value};
use crate::core::sequence::Sequence;
use crate::sync::lock;

/// What happened next.
enum Event {
    Note(Note),
    /// No more notes will come.
    Deaf,
    /// It is time to look whether a note was lost.
    Heartbeat,
    /// Nobody uses the cache any more.
    Over,
}

/// Ends with the cache.
pub(super) async fn run<K: Key, V: Value>(inner: Arc<Inner<K, V>>, mut over: oneshot::Receiver<()>) {
    let mut sequence = Sequence::default();
    let mut was_told = false;
    loop {
        let mut notes = inner.connect(&mut sequence).await;
        if notes.is_some() {
            was_told = false;
        } else if !was_told && sequence != Sequence::default() {
            // Who hears nothing cannot know what is true; what is loaded from now on is as true as can be.
            was_told = true;
            inner.suspect();
        }
        inner.counts.listens.store(u64::from(notes.is_some()), Ordering::Relaxed);
        loop {
            match inner.next(notes.as_mut(), &mut over).await {
                Event::Over => return,
                Event::Deaf => break,
                Event::Note(note) => {
                    if sequence.note(note.sequence) {
                        inner.suspect();
                    }
                    inner.apply(note);
                }
                Event::Heartbeat => {
                    inner.say_what_is_left().await;
                    if notes.is_none() {
                        break;
                    }
                    let Some(number) = inner.ask(&Context::root(), inner.tier.sequence()).await else {
                        continue;
                    };
                    if sequence.probed(number) {
                        inner.suspect();
                        // They were sent and did not come: this connection is not to be trusted.
                        break;
                    }
                }
            }
        }
    }
}

impl<K: Key, V: Value> Inner<K, V> {
    /// Listens, and finds out what was missed before.
    async fn connect(&self, sequence: &mut Sequence) -> Option<Box<dyn Notes>> {
        let clock = self.cache.clock();
        let until = clock.moment() + self.options.timeout;
        let notes = timeout_at(clock, until, self.tier.listen()).await.ok()?.ok()?;
        // Asked directly: a breaker that is open must not keep a node deaf.
        let until = clock.moment() + self.options.timeout;
        let number = timeout_at(clock, until, self.tier.sequence()).await.ok()?.ok()?;
        // What was loaded before anything could be heard may have been invalidated without a word.
        if *sequence == Sequence::default() {
            self.cache.suspect_all();
        }
        if sequence.connected(number) {
            self.suspect();
        }
        self.say_what_is_left().await;
        Some(notes)
    }

    async fn next(&self, notes: Option<&mut Box<dyn Notes>>, over: &mut oneshot::Receiver<()>) -> Event {
        let clock = self.cache.clock();
        let mut sleep = pin!(sleep_until(clock, clock.moment() + self.options.heartbeat));
        let mut note = notes.map(|notes| notes.next());
        poll_fn(|task| {
            if Pin::new(&mut *over).poll(task).is_ready() {
                return Poll::Ready(Event::Over);
            }
            if let Some(note) = &mut note
                && let Poll::Ready(note) = note.as_mut().poll(task)
            {
                return Poll::Ready(note.map_or(Event::Deaf, Event::Note));
            }
            sleep.as_mut().poll(task).map(|()| Event::Heartbeat)
        })
        .await
    }

    fn suspect(&self) {
        count(&self.counts.gaps);
        self.cache.suspect_all();
    }

    fn apply(&self, note: Note) {
        if note.origin == self.origin {
            return;
        }
        count(&self.counts.notes);
        match note.scope {
            Scope::All => self.cache.clear(),
            Scope::Tag(tag) => self.cache.invalidate_tag(&tag),
            Scope::Key(bytes) => match self.keys.decode(&bytes) {
                Ok(key) => self.cache.invalidate(&key),
                // Of a key in another form nothing is known here; but better stale than wrong.
                Err(_) => self.suspect(),
            },
        }
    }

    /// Says what could not be said, until something cannot be said again.
    async fn say_what_is_left(&self) {
        loop {
            let Some((scope, number)) = lock(&self.recovery).next() else { return };
            let said = self.ask(&Context::root(), self.tier.invalidate(&scope, self.origin)).await;
            if said.is_none() {
                return;
            }
            lock(&self.recovery).said(&scope, number);
        }
    }
}
