//! One file for each verb.

pub(crate) mod ask;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod dead_letter;
pub(crate) mod explain;
pub(crate) mod load;
pub(crate) mod outbox;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod saga;
#[cfg(feature = "shop")]
pub(crate) mod shop;
pub(crate) mod stream;
pub(crate) mod tether;
pub(crate) mod timer;
pub(crate) mod top;
pub(crate) mod topic;
pub(crate) mod up;
pub(crate) mod upgrade;
