//! Tables and properties of the line.

use proptest::prelude::*;

use super::*;
use crate::shed::core::CLASSES;

fn at(ms: u64) -> Moment {
    Moment::from_nanos(1) + Duration::from_millis(ms)
}

fn line(capacity: usize) -> Line<u32> {
    Line::new(LineConfig { capacity, ..LineConfig::default() })
}

fn push(line: &mut Line<u32>, class: Criticality, what: u32, ms: u64) -> Placed<u32> {
    line.push(class, Moment::NEVER, what, at(ms)).unwrap()
}

fn turn(exit: Option<Exit<u32>>) -> Option<u32> {
    match exit {
        Some(Exit::Turn { what, .. }) => Some(what),
        _ => None,
    }
}

/// A line that has stood for an interval.
fn overloaded(capacity: usize) -> Line<u32> {
    let mut line = line(capacity);
    push(&mut line, Criticality::Critical, 0, 0);
    for ms in [10, 60, 99] {
        push(&mut line, Criticality::Critical, ms as u32, ms);
    }
    push(&mut line, Criticality::Critical, 100, 101);
    assert!(line.is_overloaded());
    line
}

#[test]
fn the_highest_class_goes_first_and_in_it_whoever_came_first() {
    let mut line = line(9);
    for (what, class) in [(1, CLASSES[2]), (2, CLASSES[0]), (3, CLASSES[3]), (4, CLASSES[2]), (5, CLASSES[1])]
    {
        push(&mut line, class, what, 0);
    }
    assert_eq!(line.ahead_of(Criticality::Critical), 3);
    let order: Vec<_> = std::iter::from_fn(|| turn(line.pop(at(1)))).collect();
    assert_eq!(order, [3, 1, 4, 5, 2]);
}

#[test]
fn a_line_that_stands_turns_around_and_lets_the_oldest_go() {
    let mut line = overloaded(9);
    let late = |what| Some(Exit::Late { what, reason: Reason::Overloaded });
    assert_eq!(line.pop(at(104)), late(0));
    assert_eq!(line.pop(at(104)), late(10));
    assert_eq!(line.pop(at(104)), late(60));
    assert_eq!(turn(line.pop(at(104))), Some(100));
    assert_eq!(turn(line.pop(at(104))), Some(99));
    assert_eq!(line.pop(at(104)), None);
    // It was empty within this interval, so with the next one the first goes first again.
    push(&mut line, Criticality::Critical, 7, 205);
    push(&mut line, Criticality::Critical, 8, 205);
    assert_eq!(turn(line.pop(at(206))), Some(7));
}

#[test]
fn a_full_line_makes_room_for_what_matters_more_only() {
    let mut line = line(2);
    push(&mut line, Criticality::Sheddable, 1, 0);
    push(&mut line, Criticality::Sheddable, 2, 0);
    assert_eq!(
        line.push(Criticality::Sheddable, Moment::NEVER, 3, at(0)).unwrap_err(),
        (Reason::QueueFull, 3)
    );
    assert_eq!(push(&mut line, Criticality::Critical, 4, 0).displaced, Some(2));
    assert_eq!(push(&mut line, Criticality::CriticalPlus, 5, 0).displaced, Some(1));
    assert_eq!(
        line.push(Criticality::Critical, Moment::NEVER, 6, at(0)).unwrap_err(),
        (Reason::QueueFull, 6)
    );

    let mut standing = overloaded(5);
    assert_eq!(push(&mut standing, Criticality::Critical, 200, 102).displaced, Some(0));
}

#[test]
fn deadlines_count_when_one_comes_and_when_one_goes() {
    let mut line = line(9);
    let passed = line.push(Criticality::Critical, at(5), 1, at(5));
    assert_eq!(passed.unwrap_err(), (Reason::DeadlinePassed, 1));
    let placed = line.push(Criticality::Critical, at(7), 2, at(5)).unwrap();
    assert_eq!(placed.until, at(7));
    assert_eq!(line.pop(at(7)), Some(Exit::Late { what: 2, reason: Reason::DeadlinePassed }));
    let placed = push(&mut line, Criticality::Critical, 3, 10);
    assert_eq!(placed.until, at(110));
    assert_eq!(line.pop(at(111)), Some(Exit::Late { what: 3, reason: Reason::WaitedTooLong }));
}

#[test]
fn whoever_left_is_not_there_any_more() {
    let mut line = line(9);
    let places: Vec<_> = (0..5).map(|what| push(&mut line, Criticality::Critical, what, 0).place).collect();
    assert_eq!(line.remove(places[2]), Some(2));
    assert_eq!(line.remove(places[2]), None);
    assert_eq!(turn(line.pop(at(0))), Some(0));
    assert_eq!(line.remove(places[0]), None);
    assert_eq!(line.len(), 3);
}

#[test]
fn a_line_is_checked() {
    let ms = Duration::from_millis;
    let good = LineConfig::default();
    assert!(good.check(Policy::Shed).is_ok());
    for (config, field) in [
        (LineConfig { capacity: 0, ..good }, "line.capacity"),
        (LineConfig { capacity: OVERLOAD_LINE_MAX + 1, ..good }, "line.capacity"),
        (LineConfig { target: Duration::ZERO, ..good }, "line.target"),
        (LineConfig { interval: ms(5), ..good }, "line.interval"),
        (LineConfig { max_wait: ms(1), ..good }, "line.max_wait"),
    ] {
        assert_eq!(config.check(Policy::Shed).unwrap_err().field, field);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, u64),
    Pop,
    Remove(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize, 1..200u64).prop_map(|(class, deadline)| Step::Push(class, deadline)),
        3 => Just(Step::Pop),
        1 => any::<usize>().prop_map(Step::Remove),
        2 => (0..40u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// Whoever came leaves exactly once: in turn, late, displaced or by themselves; nobody has their turn after
    /// their deadline or the longest wait; and the line is never longer than it may be.
    #[test]
    fn nobody_is_lost_and_nobody_goes_twice(steps in steps()) {
        let (mut line, mut now) = (line(8), 0);
        let (mut came, mut places, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Pass(ms) => now += ms,
                Step::Push(class, deadline) => {
                    let what = came.len() as u32;
                    came.push((now, now + deadline));
                    match line.push(CLASSES[class], at(now + deadline), what, at(now)) {
                        Ok(placed) => {
                            places.push(placed.place);
                            left.extend(placed.displaced);
                        }
                        Err((_, what)) => left.push(what),
                    }
                }
                Step::Remove(which) if !places.is_empty() => {
                    left.extend(line.remove(places[which % places.len()]));
                }
                Step::Remove(_) => {}
                Step::Pop => match line.pop(at(now)) {
                    Some(Exit::Turn { what, waited }) => {
                        let (since, deadline) = came[what as usize];
                        prop_assert!(now < deadline && now - since <= 100);
                        prop_assert_eq!(waited, Duration::from_millis(now - since));
                        left.push(what);
                    }
                    Some(Exit::Late { what, .. }) => left.push(what),
                    None => prop_assert!(line.is_empty()),
                },
            }
            prop_assert!(line.len() <= 8);
        }
        while let Some(Exit::Turn { what, .. } | Exit::Late { what, .. }) = line.pop(at(now)) {
            left.push(what);
        }
        left.sort_unstable();
        prop_assert_eq!(left, (0..came.len() as u32).collect::<Vec<_>>());
    }
}
