//! What is decided about overload: how long a line may get, who is turned away, and what the machine's own figures
//! mean. No clock, randomness or I/O.

pub mod codel;
pub mod controller;
pub mod line;
pub mod machine;
pub mod rank;

use mamparo_context::Criticality;

/// The classes of criticality, lowest first.
pub const CLASSES: [Criticality; 4] =
    [Criticality::Sheddable, Criticality::SheddablePlus, Criticality::Critical, Criticality::CriticalPlus];

/// The place of a class among [`CLASSES`].
pub const fn index(class: Criticality) -> usize {
    match class {
        Criticality::Sheddable => 0,
        Criticality::SheddablePlus => 1,
        Criticality::Critical => 2,
        Criticality::CriticalPlus => 3,
    }
}
