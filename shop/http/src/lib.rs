//! HTTP as the services of the shop speak it: how a request is read, answered once, refused, served and made.
//! Decides nothing about orders, money or stock. This file only lists the modules, in reading order.

mod call;
mod idempotency;
pub mod limits;
mod problem;
mod read;
mod serve;
mod trace;

pub use call::{Answer, CallError, Client, InvalidBase};
pub use idempotency::{KeyTakenByAnother, MIGRATIONS, Stored, forget_old, remember, remembered};
pub use problem::{Problem, unknown_method, unknown_path};
pub use read::{Command, Path, context, one_of, query};
pub use serve::{Ready, health, serve};
