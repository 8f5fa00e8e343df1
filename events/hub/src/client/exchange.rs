//! One long-lived stream of requests and the answers to them, by sequence. Opened again with growing rests after
//! it broke off; what was sent on it and not answered is reported as such, never sent again by itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mamparo_broker::BoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::limits::{FRAMES_UNDER_WAY_MAX, RECONNECT_REST, RECONNECT_REST_MAX};

/// One kind of stream.
pub(super) trait Kind: Send + Sync + 'static {
    /// What is sent.
    type Request: Send + 'static;
    /// What is answered.
    type Reply: Send + 'static;

    /// Opens the stream.
    fn open(
        &self,
        requests: ReceiverStream<Self::Request>,
    ) -> BoxFuture<'_, Result<Streaming<Self::Reply>, Status>>;

    /// Which request is answered, and whether the server stops.
    fn sequence(reply: &Self::Reply) -> (u64, bool);

    /// What to send because nobody waits for this answer any more.
    fn unclaimed(reply: Self::Reply, sequence: u64) -> Option<Self::Request>;
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Lost {
    /// The request was not looked at.
    NotSent(String),
    /// The request may have been looked at.
    Unanswered(String),
}

type Answer<K> = oneshot::Sender<Result<Claim<K>, Lost>>;

/// An answer on its way to who waits for it. When nobody takes it, the other side is told.
pub(super) struct Claim<K: Kind> {
    reply: Option<K::Reply>,
    back: mpsc::WeakSender<Outgoing<K>>,
    sequence: Arc<AtomicU64>,
}

impl<K: Kind> Drop for Claim<K> {
    fn drop(&mut self) {
        // Without users the stream ends, which says as much.
        let (Some(reply), Some(back)) = (self.reply.take(), self.back.upgrade()) else { return };
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let Some(request) = K::unclaimed(reply, sequence) else { return };
        let outgoing = Outgoing { sequence, request, answer: None };
        if let Err(TrySendError::Full(outgoing)) = back.try_send(outgoing)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // When the stream ends meanwhile, that says as much.
            runtime.spawn(async move { drop(back.send(outgoing).await) });
        }
    }
}

struct Outgoing<K: Kind> {
    sequence: u64,
    request: K::Request,
    /// None: nobody waits for an answer, and none comes.
    answer: Option<Answer<K>>,
}

/// A stream, as its users hold it. It ends with the last of them.
pub(super) struct Exchange<K: Kind> {
    outgoing: mpsc::Sender<Outgoing<K>>,
    sequence: Arc<AtomicU64>,
}

/// An answer to come.
pub(super) type Pending<K> = oneshot::Receiver<Result<Claim<K>, Lost>>;

impl<K: Kind> Exchange<K> {
    /// A stream that is opened again when it broke off.
    pub(super) fn new(kind: K) -> Self {
        Self::start(kind, true)
    }

    /// A stream that ends when it breaks off.
    pub(super) fn once(kind: K) -> Self {
        Self::start(kind, false)
    }

    fn start(kind: K, again: bool) -> Self {
        let (outgoing, requests) = mpsc::channel(FRAMES_UNDER_WAY_MAX);
        let sequence = Arc::new(AtomicU64::new(1));
        let (back, numbers) = (outgoing.downgrade(), Arc::clone(&sequence));
        tokio::spawn(Stream { kind, requests, back, sequence: numbers }.run(again));
        Self { outgoing, sequence }
    }

    /// Sends what `request` makes of the sequence number it is given; that number, and the answer to come.
    ///
    /// Cancel safe: dropped before it is done, nothing was sent.
    pub(super) async fn send(
        &self,
        request: impl FnOnce(u64) -> K::Request,
    ) -> Result<(u64, Pending<K>), Lost> {
        let place = self.outgoing.reserve().await.map_err(|_| Lost::NotSent("connection lost".into()))?;
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        place.send(Outgoing { sequence, request: request(sequence), answer: Some(answer) });
        Ok((sequence, answered))
    }

    /// As [`Exchange::send`], and waits for the answer.
    pub(super) async fn call(&self, request: impl FnOnce(u64) -> K::Request) -> Result<K::Reply, Lost> {
        let (_, mut answered) = self.send(request).await?;
        wait(&mut answered).await
    }

    /// Sends what nobody waits for, if there is room for it.
    pub(super) fn tell(&self, request: impl FnOnce(u64) -> K::Request) {
        let Ok(place) = self.outgoing.try_reserve() else { return };
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        place.send(Outgoing { sequence, request: request(sequence), answer: None });
    }
}

/// Waits for an answer.
///
/// Cancel safe: what a dropped call had waited for comes to the next.
pub(super) async fn wait<K: Kind>(answered: &mut Pending<K>) -> Result<K::Reply, Lost> {
    let lost = || Lost::Unanswered("connection lost".into());
    let mut claim = answered.await.unwrap_or_else(|_| Err(lost()))?;
    claim.reply.take().ok_or_else(lost)
}

struct Stream<K: Kind> {
    kind: K,
    requests: mpsc::Receiver<Outgoing<K>>,
    back: mpsc::WeakSender<Outgoing<K>>,
    sequence: Arc<AtomicU64>,
}

impl<K: Kind> Stream<K> {
    async fn run(mut self, again: bool) {
        let mut rest = RECONNECT_REST;
        while let Some(first) = self.requests.recv().await {
            let (sender, receiver) = mpsc::channel(1);
            match self.kind.open(ReceiverStream::new(receiver)).await {
                Ok(replies) => {
                    rest = RECONNECT_REST;
                    self.carry(first, sender, replies).await;
                }
                Err(status) => self.rest(first, &status, &mut rest).await,
            }
            if !again {
                return;
            }
        }
    }

    /// Tells everybody who waits that there is no connection, and rests.
    async fn rest(&mut self, first: Outgoing<K>, status: &Status, rest: &mut Duration) {
        let lost = Lost::NotSent(describe(status));
        let mut next = Some(first);
        while let Some(outgoing) = next {
            if let Some(answer) = outgoing.answer {
                // Who does not wait any more does not want to know.
                let _ = answer.send(Err(lost.clone()));
            }
            next = self.requests.try_recv().ok();
        }
        tokio::time::sleep(*rest).await;
        *rest = (*rest * 2).min(RECONNECT_REST_MAX);
    }

    /// Carries requests and answers until the stream ends.
    async fn carry(
        &mut self,
        first: Outgoing<K>,
        sender: mpsc::Sender<K::Request>,
        mut replies: Streaming<K::Reply>,
    ) {
        let mut pending: HashMap<u64, Answer<K>> = HashMap::new();
        let mut next = VecDeque::from([first]);
        let mut stopping = false;
        let lost = loop {
            tokio::select! {
                place = sender.reserve(), if !next.is_empty() => {
                    let (Ok(place), Some(outgoing)) = (place, next.pop_front()) else {
                        break Lost::Unanswered("connection lost".into());
                    };
                    if let Some(answer) = outgoing.answer {
                        pending.insert(outgoing.sequence, answer);
                    }
                    place.send(outgoing.request);
                }
                outgoing = self.requests.recv(), if next.is_empty() && !stopping => match outgoing {
                    Some(outgoing) => next.push_back(outgoing),
                    // Nobody uses it any more.
                    None => return,
                },
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => {
                        let (sequence, draining) = K::sequence(&reply);
                        if draining {
                            stopping = true;
                            let untouched: Vec<_> =
                                pending.extract_if(|own, _| *own > sequence).map(|(_, answer)| answer).collect();
                            fail(untouched, &Lost::NotSent("the hub stops".into()));
                        } else if let Some(answer) = pending.remove(&sequence) {
                            // Dropped by who does not wait any more, it tells the other side.
                            let _ = answer.send(Ok(self.claim(reply)));
                        }
                    }
                    Ok(None) => break Lost::Unanswered("the hub ended the stream".into()),
                    Err(status) => break Lost::Unanswered(describe(&status)),
                },
            }
        };
        fail(pending.into_values(), &lost);
        let unsent = next.into_iter().filter_map(|outgoing| outgoing.answer);
        fail(unsent, &Lost::NotSent("connection lost".into()));
    }

    fn claim(&self, reply: K::Reply) -> Claim<K> {
        Claim { reply: Some(reply), back: self.back.clone(), sequence: Arc::clone(&self.sequence) }
    }
}

fn fail<T>(answers: impl IntoIterator<Item = oneshot::Sender<Result<T, Lost>>>, lost: &Lost) {
    for answer in answers {
        // Who does not wait any more does not want to know.
        let _ = answer.send(Err(lost.clone()));
    }
}

/// A status with its causes.
fn describe(status: &Status) -> String {
    let mut text =
        if status.message().is_empty() { status.code().to_string() } else { status.message().into() };
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
