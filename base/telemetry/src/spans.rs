//! The spans of one request on its walk through the whole, in the order of the walk.

/// A request at the gateway, from its first byte to the last of its answer.
pub const REQUEST: &str = "mamparo.request";
/// A request in the hands of a service.
pub const SERVE: &str = "mamparo.serve";
/// A message of the outbox on its way to a broker.
pub const RELAY: &str = "mamparo.relay.send";
/// A message, or a batch of records, in the hands of its consumer, until its transaction is on disk.
pub const CONSUME: &str = "mamparo.consume";
/// One turn of a saga.
pub const SAGA: &str = "mamparo.saga.turn";
/// A call of another service, from its beginning to the last of the answer.
pub const CALL: &str = "mamparo.call";

/// Every span, in the order of the walk.
pub const ALL: &[&str] = &[REQUEST, SERVE, RELAY, CONSUME, SAGA, CALL];
