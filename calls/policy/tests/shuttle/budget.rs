//! A budget is never overdrawn, whatever threads do.

use std::sync::Arc;

use mamparo_context::Moment;
use mamparo_policy::retry::{Budget, BudgetConfig};
use shuttle::thread;

use crate::check;

#[test]
fn a_burst_takes_no_more_than_there_is() {
    check(|| {
        let config = BudgetConfig { tokens: 30, floor_per_second: 0.0, ..BudgetConfig::default() };
        let budget = Arc::new(Budget::new(config));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || budget.withdraw(false, Moment::ZERO).is_some())
            })
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count();
        assert_eq!((taken, budget.tokens()), (2, 2));
    });
}

#[test]
fn the_floor_is_taken_once() {
    check(|| {
        let config = BudgetConfig { tokens: 0, floor_per_second: 1.0, ..BudgetConfig::default() };
        let budget = Arc::new(Budget::new(config));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || budget.withdraw(true, Moment::from_nanos(5)).is_some())
            })
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count();
        assert_eq!(taken, 1);
    });
}
