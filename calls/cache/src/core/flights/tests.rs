//! The table of loads against every order of what can happen to it.

use std::hash::RandomState;

use super::*;

type Table = Flights<&'static str, u32, RandomState>;

fn join(table: &mut Table, flight: u32) -> Joined<u32> {
    table.join("k", |flight| Some(*flight), || (flight, flight))
}

#[test]
fn one_leads_and_the_others_follow() {
    let mut table = Table::new(RandomState::new());
    let Joined::Leads(id, 1) = join(&mut table, 1) else { panic!("the first leads") };
    assert_eq!(join(&mut table, 2), Joined::Follows(1));
    assert!(table.land(&"k", id));
    assert!(table.is_empty());
    assert!(matches!(join(&mut table, 3), Joined::Leads(_, 3)));
}

#[test]
fn a_flight_that_was_given_up_is_not_joined() {
    let mut table = Table::new(RandomState::new());
    let Joined::Leads(first, _) = join(&mut table, 1) else { panic!("the first leads") };
    let Joined::Leads(second, 2) = table.join("k", |_| None::<u32>, || (2, 2)) else { panic!("a new one") };
    assert!(!table.land(&"k", first));
    assert!(table.land(&"k", second));
}

/// What can happen to a key, in every order of six steps: what lands is stored only if nothing was written or
/// invalidated since its launch, and the table is empty once everything has landed.
#[test]
fn in_every_order_an_invalidation_wins() {
    const STEPS: usize = 8;
    for order in 0..3_usize.pow(STEPS as u32) {
        let mut table = Table::new(RandomState::new());
        let (mut writes, mut flying) = (0_u32, Vec::new());
        let mut rest = order;
        for _ in 0..STEPS {
            match rest % 3 {
                0 => {
                    if let Joined::Leads(id, _) = join(&mut table, writes) {
                        flying.push((id, writes));
                    }
                }
                1 => {
                    writes += 1;
                    table.overtake(&"k");
                }
                _ => {
                    if !flying.is_empty() {
                        let (id, seen) = flying.remove(0);
                        assert_eq!(table.land(&"k", id), seen == writes, "order {order}");
                    }
                }
            }
            rest /= 3;
        }
        for (id, seen) in flying {
            assert_eq!(table.land(&"k", id), seen == writes, "order {order}");
        }
        assert!(table.is_empty());
    }
}

#[test]
fn only_what_a_condition_applies_to_is_overtaken() {
    let mut table = Flights::new(RandomState::new());
    let mut launch = |key: u8| match table.join(key, |_: &()| None, || ((), ())) {
        Joined::Leads(id, ()) => id,
        Joined::Follows(()) => unreachable!("nobody waits"),
    };
    let ids = [1, 2, 3].map(|key| (key, launch(key)));
    assert_eq!(table.overtake_if(|key| *key != 2), 2);
    assert_eq!(ids.map(|(key, id)| table.land(&key, id)), [false, true, false]);
}
