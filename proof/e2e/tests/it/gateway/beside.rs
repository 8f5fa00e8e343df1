//! A client that behaves: it asks, one request after the other, while others do what they want.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::shop::Patience;

/// What a client that behaves may be kept waiting for, on a machine however busy.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A client that asks until it is told to stop.
pub(super) struct Beside {
    done: Arc<AtomicBool>,
    asks: JoinHandle<(usize, Duration)>,
}

impl Beside {
    /// Asks for `url` over and over, now on a connection that it keeps, now on a new one.
    pub(super) fn asks(url: String) -> Self {
        let done = Arc::<AtomicBool>::default();
        let told = Arc::clone(&done);
        let asks = thread::spawn(move || {
            let (mut count, mut worst) = (0, Duration::ZERO);
            let kept = agent();
            while !told.load(Ordering::Relaxed) || count < 4 {
                let began = Patience::begin();
                let new = (count % 4 == 0).then(agent);
                let answer = new.as_ref().unwrap_or(&kept).get(&url).call();
                let status = answer.map(|mut answer| {
                    answer.body_mut().read_to_vec().unwrap();
                    answer.status().as_u16()
                });
                assert_eq!(status.as_ref().ok(), Some(&200), "request {count}: {status:?}");
                count += 1;
                worst = worst.max(began.elapsed());
            }
            (count, worst)
        });
        Self { done, asks }
    }

    /// Every one of its requests was served, and soon: how many there were.
    #[track_caller]
    pub(super) fn was_served(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        let (count, worst) = self.asks.join().expect("a client that behaves was not served");
        assert!(worst < WAIT_MAX, "it was kept waiting for {worst:?}");
        count
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(20)))
        .http_status_as_error(false)
        .build()
        .into()
}
