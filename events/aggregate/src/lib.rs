//! A command becomes events: load the state, decide, append, all guarded by the version that was loaded.
//!
//! An [`Aggregate`] is two pure functions, `decide` and `evolve`. A [`Repository`] runs them against a ledger, alone
//! ([`Repository::handle`], which tries again when somebody else was faster) or inside a larger transaction
//! ([`Repository::execute`]). Snapshots spare reading long streams; they can be thrown away at any time.
//!
//! ```
//! use mamparo_aggregate::{Aggregate, events};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Deposited { amount: u64 }
//! #[derive(Serialize, Deserialize)]
//! struct Withdrawn { amount: u64 }
//!
//! events! {
//!     enum WalletEvent {
//!         Deposited(Deposited) = "MoneyDeposited",
//!         Withdrawn(Withdrawn) = "MoneyWithdrawn.v2",
//!     }
//! }
//!
//! enum Command { Deposit(u64), Withdraw(u64) }
//!
//! #[derive(Debug, PartialEq)]
//! struct NotEnough { balance: u64 }
//! impl std::fmt::Display for NotEnough {
//!     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "only {} left", self.balance) }
//! }
//! impl std::error::Error for NotEnough {}
//!
//! struct Wallet;
//!
//! impl Aggregate for Wallet {
//!     const CATEGORY: &'static str = "wallet";
//!     type State = u64;
//!     type Command = Command;
//!     type Event = WalletEvent;
//!     type Rejection = NotEnough;
//!
//!     fn decide(balance: &u64, command: &Command) -> Result<Vec<WalletEvent>, NotEnough> {
//!         match *command {
//!             Command::Deposit(amount) => Ok(vec![WalletEvent::Deposited(Deposited { amount })]),
//!             Command::Withdraw(amount) if amount <= *balance => {
//!                 Ok(vec![WalletEvent::Withdrawn(Withdrawn { amount })])
//!             }
//!             Command::Withdraw(_) => Err(NotEnough { balance: *balance }),
//!         }
//!     }
//!
//!     fn evolve(balance: u64, event: &WalletEvent) -> u64 {
//!         match event {
//!             WalletEvent::Deposited(Deposited { amount }) => balance + amount,
//!             WalletEvent::Withdrawn(Withdrawn { amount }) => balance - amount,
//!         }
//!     }
//! }
//!
//! assert_eq!(Wallet::decide(&5, &Command::Withdraw(7)).err(), Some(NotEnough { balance: 5 }));
//! ```

mod aggregate;
mod error;
mod events;
pub mod limits;
mod repository;
mod snapshot;
mod upcast;

pub use aggregate::{Aggregate, fold};
pub use error::{DecodeError, HandleError, LoadError, UpcastError};
pub use events::{Events, decode, encode};
pub use repository::{Executed, Loaded, Options, Repository};
pub use upcast::Upcasters;

/// What the macro [`events!`] needs of other crates.
#[doc(hidden)]
pub mod macros {
    pub use serde_json;
}
