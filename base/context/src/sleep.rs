//! Sleeping on a clock that is moved by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::clock::ManualTime;
use crate::moment::Moment;

/// Ends when a manual clock has been moved to its moment or beyond. Dropping it is safe at any time.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct ManualSleep {
    time: Arc<ManualTime>,
    at: Moment,
}

impl ManualSleep {
    pub(crate) fn new(time: Arc<ManualTime>, at: Moment) -> Self {
        Self { time, at }
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.time.moment() >= self.at {
            return Poll::Ready(());
        }
        self.time.wake_at(self.at, cx.waker());
        // The clock may have been moved while the waker was being left.
        if self.time.moment() >= self.at { Poll::Ready(()) } else { Poll::Pending }
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
}
