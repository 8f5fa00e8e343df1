//! Which messages a consumer has taken: the row that makes a repeated message take effect once.

/// Whether a message is new to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is: the transaction that received it applies it.
    First,
    /// It was applied before: there is nothing to do but to acknowledge it.
    Repeated,
}
