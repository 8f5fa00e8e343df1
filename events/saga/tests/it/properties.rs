//! What holds of every saga, whatever is repeated, late, lost, refused, cancelled or restarted.

use mamparo_saga::{Input, ParkCause, State, Status};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::callee::{Effect, Whim};
use crate::plan::{Plan, plan};
use crate::world::World;

/// More steps than any of these sagas can need once the world has become a friendly one.
const ENOUGH: usize = 2_000;

proptest! {
    // A fixed seed, so that a run repeats itself; PROPTEST_RNG_SEED and PROPTEST_CASES look further.
    #![proptest_config(config())]

    #[test]
    fn a_saga_takes_effect_as_a_whole_or_not_at_all(plan in plan()) {
        let mut world = World::new(plan.definition());
        world.input(Input::Start);
        for op in &plan.script {
            world.happen(op);
        }
        settle(&mut world, &plan);
        deliver_the_late(&mut world);
        check_effects(&world.state(), &world.callee.log, &plan);
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { cases: 1_024, failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config.cases = ProptestConfig::default().cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0x6d61_6d70);
    }
    config
}

/// From here on every command arrives and is answered, every timer fires, and a person looks after what is stuck:
/// the saga must come to an end.
fn settle(world: &mut World, plan: &Plan) {
    let mut mood = plan.mood.iter().cycle();
    let mut parked = 0;
    for _ in 0..ENOUGH {
        let state = world.state();
        match state.status() {
            status if status.is_terminal() => return,
            Status::Parked { cause: ParkCause::NoCompensation, .. } => world.skip(),
            Status::Parked { .. } => {
                parked += 1;
                if parked % 3 == 0 { world.skip() } else { world.input(Input::Resume) }
            }
            _ if !world.commands.is_empty() => {
                let obeys = world.commands[0].id.is_compensation() || *mood.next().unwrap();
                world.deliver(0, if obeys { Whim::Obey } else { Whim::Refuse }, false);
            }
            _ if !world.answers.is_empty() => world.answer(0, false),
            _ => {
                let next = world.timers.iter().min_by_key(|(_, due)| **due).map(|(timer, _)| timer.clone());
                world.fire(next.expect("a saga that runs has a timer"));
            }
        }
    }
    panic!("no end: {:#?}", world.state());
}

/// What was repeated or delayed arrives behind the end, in the worst of orders: every command, then every answer.
fn deliver_the_late(world: &mut World) {
    world.commands.extend(world.sent.clone());
    while !world.commands.is_empty() {
        world.deliver(0, Whim::Obey, false);
    }
    while !world.answers.is_empty() {
        world.answer(0, false);
    }
}

fn check_effects(state: &State, log: &[Effect], plan: &Plan) {
    let did: Vec<&str> = log.iter().filter_map(|effect| matches_did(effect)).collect();
    let undid: Vec<&str> = log.iter().filter_map(|effect| matches_undid(effect)).collect();
    match state.status() {
        Status::Completed => {
            let all: Vec<&str> = state.steps().iter().map(|step| step.name()).collect();
            assert_eq!((did, undid), (all, vec![]), "each step once, in order, none undone");
        }
        Status::Cancelled => {
            let expected: Vec<&str> =
                did.iter().rev().copied().filter(|s| !plan.has_nothing_to_undo(s)).collect();
            assert_eq!(undid, expected, "every effect undone once, the last one first");
            let pivot = plan.definition().pivot().map(str::to_owned);
            assert!(!did.iter().any(|step| Some(*step) == pivot.as_deref()), "the pivot did not happen");
        }
        other => panic!("no end: {other:?}"),
    }
}

fn matches_did(effect: &Effect) -> Option<&str> {
    if let Effect::Did(step) = effect { Some(step) } else { None }
}

fn matches_undid(effect: &Effect) -> Option<&str> {
    if let Effect::Undid(step) = effect { Some(step) } else { None }
}
