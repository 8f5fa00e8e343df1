//! The spans of one request on its walk through the whole, in the order of the walk.

/// A request, from its first byte to the last of its answer.
pub const REQUEST: &str = "mamparo.request";
/// One attempt to send it to an endpoint.
pub const FORWARD: &str = "mamparo.forward";
/// A unit of work, from its submission to the commit.
pub const TRANSACT: &str = "mamparo.ledger.transact";
/// A batch of outbox rows on its way to a broker.
pub const RELAY: &str = "mamparo.relay.send";
/// A message in the hands of its consumer.
pub const CONSUME: &str = "mamparo.consume";
/// One transition of a saga.
pub const SAGA: &str = "mamparo.saga.transition";
/// A batch of events on its way into a read model.
pub const PROJECT: &str = "mamparo.project";

/// Every span, in the order of the walk.
pub const ALL: &[&str] = &[REQUEST, FORWARD, TRANSACT, RELAY, CONSUME, SAGA, PROJECT];
