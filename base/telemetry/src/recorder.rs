//! Where spans go: to one sink for the whole process, or nowhere. While there is none, asking costs one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Span;

/// Takes spans that have ended. It is called from any thread, within transactions too: it must neither wait nor
/// fail, and its room must be bounded.
pub trait Sink: Send + Sync + 'static {
    /// Takes a span; false when there is no room, and the span is lost.
    fn take(&self, span: Span) -> bool;
}

impl<F: Fn(Span) -> bool + Send + Sync + 'static> Sink for F {
    fn take(&self, span: Span) -> bool {
        self(span)
    }
}

struct Recorder {
    sink: Box<dyn Sink>,
    /// A trace that begins here is recorded when what is drawn for it is not above this.
    sampled_to: Option<u64>,
    recorded: AtomicU64,
    dropped: AtomicU64,
}

static RECORDING: AtomicBool = AtomicBool::new(false);
static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// How many spans were handed to [`record`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Those that the sink took.
    pub taken: u64,
    /// Those that it had no room for.
    pub dropped: u64,
}

/// From now on spans go to `sink`, and of the traces that begin in this process the share `sample` (0.0 to 1.0) is
/// recorded. Once for each process: false when there is a sink already, and nothing has changed.
pub fn install(sink: impl Sink, sample: f64) -> bool {
    let recorder = Recorder {
        sink: Box::new(sink),
        sampled_to: bound(sample),
        recorded: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
    };
    let first = RECORDER.set(recorder).is_ok();
    RECORDING.store(true, Ordering::Release);
    first
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, which is meant")]
fn bound(sample: f64) -> Option<u64> {
    (sample > 0.0).then_some((sample * 18_446_744_073_709_551_616.0) as u64)
}

/// Whether spans go anywhere. Ask before anything is made for a span.
#[inline]
pub fn is_recording() -> bool {
    RECORDING.load(Ordering::Relaxed)
}

/// Hands a span that has ended to the sink, if there is one.
pub fn record(span: Span) {
    let Some(recorder) = RECORDER.get() else { return };
    let counter = if recorder.sink.take(span) { &recorder.recorded } else { &recorder.dropped };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Whether a trace that begins now is marked as one that is recorded; `draw` answers with any number. Without a sink
/// every trace is: others may record it.
pub fn samples(draw: impl FnOnce() -> u64) -> bool {
    match RECORDER.get().filter(|_| is_recording()) {
        Some(recorder) => recorder.sampled_to.is_some_and(|to| to == u64::MAX || draw() <= to),
        None => true,
    }
}

/// What was recorded since the process began.
pub fn recorded() -> Recorded {
    RECORDER.get().map_or_else(Recorded::default, |recorder| Recorded {
        taken: recorder.recorded.load(Ordering::Relaxed),
        dropped: recorder.dropped.load(Ordering::Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Kind, Place, spans};

    /// One test: the sink is that of the whole process.
    #[test]
    fn spans_go_nowhere_then_to_one_sink_and_those_without_room_are_counted() {
        static TAKEN: Mutex<Vec<Span>> = Mutex::new(Vec::new());
        let span = |start| {
            let place = Place { trace: [1; 16], span: [2; 8], parent: None };
            Span::begin(spans::CALL, Kind::Client, place, start)
        };
        assert!(!is_recording() && samples(|| u64::MAX));
        span(1).ends(2);
        assert_eq!(recorded(), Recorded::default());

        let one = |span| {
            let mut taken = TAKEN.lock().unwrap();
            let room = taken.is_empty();
            if room {
                taken.push(span);
            }
            room
        };
        assert!(install(one, 0.5) && is_recording());
        assert!(!install(|_| true, 1.0));
        let mut failed = span(5);
        failed.knows("attempt", 3_u32);
        failed.fails("no answer");
        failed.ends(4);
        span(6).ends(7);
        assert_eq!(recorded(), Recorded { taken: 1, dropped: 1 });
        let taken = TAKEN.lock().unwrap().remove(0);
        assert_eq!((taken.start, taken.end, taken.error.as_deref()), (5, 5, Some("no answer")));
        assert!(samples(|| 1 << 62) && !samples(|| 3 << 62));
    }

    #[test]
    fn a_share_is_a_bound_for_what_is_drawn() {
        assert_eq!([0.0, -1.0, f64::NAN].map(bound), [None; 3]);
        assert_eq!([0.5, 1.0, 2.0].map(bound), [Some(1 << 63), Some(u64::MAX), Some(u64::MAX)]);
    }
}
