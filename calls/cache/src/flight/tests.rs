//! Those who wait, one by one and in every interleaving that the checker tries.

#[cfg(not(feature = "shuttle"))]
mod one_by_one {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_waiter_is_woken_once_and_gets_what_landed() {
        let (flight, first) = Flight::launch();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut task = Task::from_waker(&waker);
        let mut waiters = vec![first];
        waiters.extend((1..100).map(|_| flight.join().unwrap().unwrap()));
        for waiter in &mut waiters {
            assert!(Pin::new(&mut *waiter).poll(&mut task).is_pending());
            assert!(Pin::new(waiter).poll(&mut task).is_pending());
        }
        waiters.truncate(60);
        flight.land(7);
        assert_eq!(count.0.load(Ordering::SeqCst), 60);
        for waiter in &mut waiters {
            assert_eq!(Pin::new(waiter).poll(&mut task), Poll::Ready(7));
        }
        drop(waiters);
        assert_eq!(lock(&flight.state).waiting, 0);
    }

    #[test]
    fn places_that_were_left_are_taken_again() {
        let (flight, _first) = Flight::<u8>::launch();
        for _ in 0..1000 {
            drop(flight.join().unwrap());
        }
        assert_eq!(lock(&flight.state).waiters.len(), 2);
    }

    #[test]
    fn an_abandoned_flight_wakes_its_pilot_and_is_not_joined() {
        let (flight, first) = Flight::<u8>::launch();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut task = Task::from_waker(&waker);
        assert!(flight.poll_abandoned(&mut task).is_pending());
        let second = flight.join().unwrap().unwrap();
        drop(first);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        drop(second);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        // Between the wake and the poll somebody may come after all.
        let third = flight.join().unwrap().unwrap();
        assert!(flight.poll_abandoned(&mut task).is_pending());
        drop(third);
        assert!(flight.poll_abandoned(&mut task).is_ready());
        assert!(flight.join().unwrap().is_none());
    }
}

/// Run with `cargo test -p mamparo-cache --features shuttle --lib shuttle`.
#[cfg(feature = "shuttle")]
mod shuttle {
    use std::hash::RandomState;
    use std::sync::Arc;

    use ::shuttle::sync::Mutex;
    use ::shuttle::sync::atomic::{AtomicUsize, Ordering};
    use ::shuttle::{future::block_on, thread};

    use super::super::*;
    use crate::core::flights::{FlightId, Flights, Joined};

    const ROUNDS: usize = 20_000;

    /// A source, a table of flights and a place to store: what the cache is made of, without time.
    struct Small {
        flights: Mutex<Flights<u8, Arc<Flight<usize>>, RandomState>>,
        stored: Mutex<Option<usize>>,
        source: AtomicUsize,
        loads: AtomicUsize,
    }

    impl Small {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                flights: Mutex::new(Flights::new(RandomState::new())),
                stored: Mutex::new(None),
                source: AtomicUsize::new(0),
                loads: AtomicUsize::new(0),
            })
        }

        fn get(self: &Arc<Self>) -> usize {
            if let Some(stored) = *lock(&self.stored) {
                return stored;
            }
            let mut flights = lock(&self.flights);
            if let Some(stored) = *lock(&self.stored) {
                return stored;
            }
            let mut launched = None;
            let joined = flights.join(
                0,
                |flight| flight.join().unwrap(),
                || {
                    let (flight, waiter) = Flight::launch();
                    launched = Some(Arc::clone(&flight));
                    (flight, waiter)
                },
            );
            drop(flights);
            match joined {
                Joined::Follows(waiter) => block_on(waiter),
                Joined::Leads(id, waiter) => {
                    let (own, flight) = (Arc::clone(self), launched.unwrap());
                    thread::spawn(move || own.load(id, &flight));
                    block_on(waiter)
                }
            }
        }

        fn load(&self, id: FlightId, flight: &Flight<usize>) {
            self.loads.fetch_add(1, Ordering::SeqCst);
            let value = self.source.load(Ordering::SeqCst);
            thread::yield_now();
            let mut flights = lock(&self.flights);
            if flights.land(&0, id) {
                *lock(&self.stored) = Some(value);
            }
            drop(flights);
            flight.land(value);
        }

        fn write(&self) {
            self.source.fetch_add(1, Ordering::SeqCst);
            let mut flights = lock(&self.flights);
            flights.overtake(&0);
            *lock(&self.stored) = None;
        }
    }

    #[test]
    fn shuttle_who_reads_after_a_write_never_sees_what_was_before_it() {
        ::shuttle::check_random(
            || {
                let small = Small::new();
                let reader = {
                    let small = Arc::clone(&small);
                    thread::spawn(move || small.get())
                };
                let writer = {
                    let small = Arc::clone(&small);
                    thread::spawn(move || {
                        small.write();
                        small.get()
                    })
                };
                assert_eq!(writer.join().unwrap(), 1);
                assert!(reader.join().unwrap() <= 1);
                assert_eq!(small.get(), 1);
                assert!(lock(&small.flights).is_empty());
            },
            ROUNDS,
        );
    }

    #[test]
    fn shuttle_callers_who_come_and_go_share_one_load() {
        ::shuttle::check_random(
            || {
                let small = Small::new();
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let small = Arc::clone(&small);
                        thread::spawn(move || small.get())
                    })
                    .collect();
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), 0);
                }
                assert_eq!(small.loads.load(Ordering::SeqCst), 1);
            },
            ROUNDS,
        );
    }

    #[test]
    fn shuttle_the_last_who_leaves_is_noticed_in_every_interleaving() {
        ::shuttle::check_random(
            || {
                let (flight, first) = Flight::<u8>::launch();
                let other = Arc::clone(&flight);
                let leaving = thread::spawn(move || drop(first));
                let joining = thread::spawn(move || drop(other.join().unwrap()));
                block_on(std::future::poll_fn(|task| flight.poll_abandoned(task)));
                leaving.join().unwrap();
                joining.join().unwrap();
            },
            ROUNDS,
        );
    }
}
