//! Sleeping on a clock that is moved by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::clock::{ManualTime, Place};
use crate::moment::Moment;

/// Ends when a manual clock has been moved to its moment or beyond. Dropping it is safe at any time.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct ManualSleep {
    time: Arc<ManualTime>,
    at: Moment,
    /// Where its waker lies.
    place: Option<Place>,
}

impl ManualSleep {
    pub(crate) fn new(time: Arc<ManualTime>, at: Moment) -> Self {
        Self { time, at, place: None }
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.time.moment() >= self.at {
            return Poll::Ready(());
        }
        self.place = Some(self.time.wake_at(self.at, self.place, cx.waker()));
        // The clock may have been moved while the waker was being left.
        if self.time.moment() >= self.at { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.time.forget(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use super::*;
    use crate::Clock;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn sleepers_wake_when_the_clock_has_come_to_them() {
        let (clock, manual) = Clock::manual();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut sleep = clock.manual_sleep(clock.moment() + Duration::from_millis(5)).unwrap();
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
        assert_eq!(manual.next_wakeup(), Some(Duration::from_millis(5)));
        manual.advance(Duration::from_millis(4));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        manual.advance(Duration::from_millis(1));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_ready());
        assert_eq!(manual.next_wakeup(), None);
        assert!(Clock::system().manual_sleep(Moment::ZERO).is_none());
    }

    #[test]
    fn who_does_not_sleep_any_more_is_forgotten_and_the_others_wake_in_order() {
        let (clock, manual) = Clock::manual();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut sleepers: Vec<ManualSleep> = [9, 3, 5, 5]
            .map(|at| clock.manual_sleep(clock.moment() + Duration::from_millis(at)).unwrap())
            .into();
        for sleep in &mut sleepers {
            assert!(Pin::new(sleep).poll(&mut cx).is_pending());
        }
        drop(sleepers.remove(1));
        assert_eq!(manual.next_wakeup(), Some(Duration::from_millis(5)));
        manual.advance(Duration::from_millis(7));
        assert_eq!(
            (count.0.load(Ordering::SeqCst), manual.next_wakeup()),
            (2, Some(Duration::from_millis(2)))
        );
        drop(sleepers);
        assert_eq!(manual.next_wakeup(), None);
        manual.advance(Duration::from_millis(7));
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
    }
}
