//! Waiting, on the clock of the machine or on one that is moved by hand.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use mamparo_context::{Clock, ManualSleep, Moment};
use pin_project_lite::pin_project;
use tokio::task::coop;

pin_project! {
    /// Ends at a moment. Safe to drop at any time. On the clock of the machine it needs a tokio runtime.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Sleep {
        #[pin]
        timer: Timer,
    }
}

pin_project! {
    #[project = TimerProjection]
    enum Timer {
        // Time passes also for one who has used up what a task may do in one go: else work that is always busy
        // would have no timeout.
        Machine { #[pin] sleep: coop::Unconstrained<tokio::time::Sleep> },
        Manual { sleep: ManualSleep },
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().timer.project() {
            TimerProjection::Machine { sleep } => sleep.poll(cx),
            TimerProjection::Manual { sleep } => Pin::new(sleep).poll(cx),
        }
    }
}

/// Waits until `at`.
pub fn sleep_until(clock: &Clock, at: Moment) -> Sleep {
    let timer = match clock.manual_sleep(at) {
        Some(sleep) => Timer::Manual { sleep },
        None => Timer::Machine { sleep: coop::unconstrained(tokio::time::sleep_until(at.instant().into())) },
    };
    Sleep { timer }
}

/// The moment came before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

/// Does `work` until `until` at most, and drops it then. No timer is set for work that is done at its first poll.
///
/// # Errors
/// [`Elapsed`].
pub async fn timeout_at<F: Future>(clock: &Clock, until: Moment, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    let mut sleep = pin!(None);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if sleep.is_none() {
            sleep.set(Some(sleep_until(clock, until)));
        }
        match sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.poll(cx).map(|()| Err(Elapsed)),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moment_beyond_what_a_runtime_counts_neither_panics_nor_comes_early() {
        let clock = Clock::system();
        let year = Duration::from_secs(366 * 86_400);
        let mut never = pin!(sleep_until(&clock, Moment::NEVER));
        let mut far = pin!(sleep_until(&clock, clock.moment() + 3 * year));
        let mut task = Context::from_waker(std::task::Waker::noop());
        for _ in 0..5 {
            assert!(never.as_mut().poll(&mut task).is_pending() && far.as_mut().poll(&mut task).is_pending());
            tokio::time::advance(year / 2).await;
        }
        assert!(far.as_mut().poll(&mut task).is_pending());
        tokio::time::advance(year).await;
        assert!(far.as_mut().poll(&mut task).is_ready() && never.as_mut().poll(&mut task).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn both_clocks_end_work_that_takes_too_long() {
        let system = Clock::system();
        let late =
            timeout_at(&system, system.moment() + Duration::from_millis(5), std::future::pending::<()>());
        assert_eq!(late.await, Err(Elapsed));
        assert_eq!(timeout_at(&system, Moment::ZERO, async { 7 }).await, Ok(7));

        let (clock, manual) = Clock::manual();
        let until = clock.moment() + Duration::from_millis(5);
        let work = tokio::spawn(async move { timeout_at(&clock, until, std::future::pending::<()>()).await });
        tokio::task::yield_now().await;
        manual.advance(Duration::from_millis(4));
        tokio::task::yield_now().await;
        assert!(!work.is_finished());
        manual.advance(Duration::from_millis(1));
        assert_eq!(work.await.unwrap(), Err(Elapsed));
    }
}
