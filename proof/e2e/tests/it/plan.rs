//! What a crash run does, drawn from a seed: the same seed gives the same orders and the same kills.

use std::time::Duration;

use mamparo_context::Random;
use serde_json::{Value, json};

/// Products that the shop sells, and so few of one that its orders are refused.
pub(crate) const SKUS: [&str; 3] = ["mate", "bombilla", "yerba-1kg"];
/// More of this is asked for than there ever is.
const SCARCE: &str = "thermos";
/// Delivered of each of [`SKUS`] before the run.
pub(crate) const DELIVERED: i64 = 1_000_000;
/// Paid into the wallet of each rich customer before the run, in minor units.
pub(crate) const DEPOSITED: i64 = 100_000_000_000_000;
/// Paid into the wallet of each poor one: enough for nothing.
pub(crate) const POOR_DEPOSITED: i64 = 100;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    /// Gateway and hub.
    Platform,
    Orders,
    Payments,
    Inventory,
    Provider,
    /// The supervisor, and with it everything.
    Up,
}

/// One kill.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    /// How long the victim has lived by then at least, so that it was at work.
    pub(crate) life: Duration,
    /// Who is killed: the first of them that runs.
    pub(crate) victims: Vec<Victim>,
}

/// The customers that orders are placed for; every fourth is poor.
pub(crate) fn customers() -> impl Iterator<Item = (String, i64)> {
    (0..8).map(|number| {
        (format!("customer-{number}"), if number % 4 == 3 { POOR_DEPOSITED } else { DEPOSITED })
    })
}

/// Order number `number` of the run.
pub(crate) fn order(seed: u64, number: u64) -> Value {
    let random = Random::seeded(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let customer = format!("customer-{}", random.below(8));
    let mut lines: Vec<Value> = (0..=random.below(2))
        .map(|line| json!({"sku": SKUS[(line + number) as usize % 3], "quantity": 1 + random.below(4)}))
        .collect();
    if random.below(8) == 0 {
        lines.push(json!({"sku": SCARCE, "quantity": 2_000}));
    }
    json!({"customer": customer, "lines": lines})
}

/// The kills of the run.
pub(crate) fn kills(seed: u64, count: usize) -> Vec<Kill> {
    let random = Random::seeded(seed);
    let draw = || match random.below(20) {
        0..4 => Victim::Platform,
        4..9 => Victim::Orders,
        9..14 => Victim::Payments,
        14..18 => Victim::Inventory,
        18 => Victim::Provider,
        _ => Victim::Up,
    };
    let kill = |_| {
        let life = Duration::from_millis(50 + random.below(400));
        let mut victims = vec![draw()];
        while victims.len() < 4 {
            let next = draw();
            // Everything at once only where it is meant.
            if next != Victim::Up && !victims.contains(&next) {
                victims.push(next);
            }
        }
        Kill { life, victims }
    };
    (0..count).map(kill).collect()
}

#[test]
fn a_seed_repeats_its_plan() {
    let plan =
        |seed| (format!("{:?}", kills(seed, 100)), (0..100).map(|n| order(seed, n)).collect::<Vec<_>>());
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
}
