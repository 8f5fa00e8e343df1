//! A single-threaded executor that polls futures in the order in which they were woken, and in no other: what runs on
//! it happens the same way each time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The numbers of the tasks that were woken.
#[derive(Debug, Default)]
struct Ready(Mutex<VecDeque<usize>>);

impl Ready {
    fn push(&self, number: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(number);
    }

    fn pop(&self) -> Option<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[derive(Debug)]
struct Wakes {
    ready: Arc<Ready>,
    number: usize,
    /// It is among the ready ones already.
    queued: AtomicBool,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.push(self.number);
        }
    }
}

struct Task {
    work: Work,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// The tasks that have not ended.
#[derive(Default)]
pub(super) struct Executor {
    /// A task keeps its number for good, so that a late waker wakes nobody else.
    tasks: Vec<Option<Task>>,
    ready: Arc<Ready>,
    alive: usize,
}

impl Executor {
    /// Another task, which is ready.
    pub(super) fn spawn(&mut self, work: impl Future<Output = ()> + 'static) {
        let number = self.tasks.len();
        let wakes = Arc::new(Wakes { ready: Arc::clone(&self.ready), number, queued: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&wakes));
        self.tasks.push(Some(Task { work: Box::pin(work), wakes, waker }));
        self.ready.push(number);
        self.alive += 1;
    }

    /// Polls the task that was woken first; `false` when none is ready.
    pub(super) fn step(&mut self) -> bool {
        let Some(number) = self.ready.pop() else { return false };
        let Some(place) = self.tasks.get_mut(number) else { return true };
        let Some(task) = place else { return true };
        task.wakes.queued.store(false, Ordering::Relaxed);
        if let Poll::Ready(()) = task.work.as_mut().poll(&mut Context::from_waker(&task.waker)) {
            *place = None;
            self.alive -= 1;
        }
        true
    }

    /// Tasks that have not ended.
    pub(super) const fn alive(&self) -> usize {
        self.alive
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn tasks_run_in_the_order_of_their_being_woken() {
        let mut executor = Executor::default();
        let (said, wakers) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::<Waker>::new())));
        for number in 0..3 {
            let (said, wakers) = (Rc::clone(&said), Rc::clone(&wakers));
            let mut polls = 0;
            executor.spawn(std::future::poll_fn(move |task| {
                said.borrow_mut().push((number, polls));
                polls += 1;
                wakers.borrow_mut().push(task.waker().clone());
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            }));
        }
        while executor.step() {}
        assert_eq!((said.take(), executor.alive()), (vec![(0, 0), (1, 0), (2, 0)], 3));
        let woken = wakers.take();
        // Twice is once.
        for number in [2, 0, 2] {
            woken[number].wake_by_ref();
        }
        while executor.step() {}
        assert_eq!((said.take(), executor.alive()), (vec![(2, 1), (0, 1)], 1));
        woken[0].wake_by_ref();
        while executor.step() {}
        assert_eq!((said.take(), executor.alive()), (vec![], 1));
    }
}
