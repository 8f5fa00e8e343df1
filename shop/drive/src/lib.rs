//! Drives orders through the shop's API: makes customers, money and stock of its own, places orders of which it
//! knows beforehand how they must end, and checks afterwards that money and stock are conserved to the unit. This
//! file only lists the modules, in reading order.

pub mod invariants;
pub mod limits;
mod plan;

pub mod audit;
mod run;
pub mod shop;

mod progress;
mod report;

pub use plan::{Fate, Plan, Planned};
pub use report::{Report, Split, Times};
pub use run::{DriveError, Options, drive};
