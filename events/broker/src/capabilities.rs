//! What an adapter can do, declared as values and checked when a pipeline is built, never at run time.

use std::time::Duration;

/// Whose order a broker keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// None.
    None,
    /// Messages of one key.
    Key,
    /// Messages of one partition.
    Partition,
}

/// One thing that a pipeline may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// A queue: lease and acknowledgement for each message.
    Lease,
    /// A negative acknowledgement with a delay.
    NackDelay,
    /// A lease that can be made longer.
    Extend,
    /// A lease that can be given back without counting as an attempt.
    Release,
    /// A dead letter moved in one transaction, so that it is neither lost nor doubled.
    AtomicDeadLetter,
    /// A message that is delivered not before a moment of its own.
    Delay,
    /// A log: records are replayed by offset.
    Replay,
    /// Consumer groups with stored offsets.
    Groups,
    /// The order of one key is kept over retries.
    KeyOrder,
    /// On disk before it is acknowledged.
    Durable,
}

/// What a broker can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it is a [`crate::Queue`].
    pub queue: bool,
    /// Whether it is a [`crate::Log`].
    pub log: bool,
    /// Whose order a queue keeps over retries.
    pub queue_order: Order,
    /// Whose order a log keeps.
    pub log_order: Order,
    /// Whether `nack` takes a delay.
    pub nack_delay: bool,
    /// Whether a lease can be extended.
    pub extend: bool,
    /// Whether a lease can be released without counting as an attempt.
    pub release: bool,
    /// Whether a dead letter is moved in one transaction.
    pub atomic_dead_letter: bool,
    /// Longest delay of a message; zero when it cannot delay.
    pub delay_max: Duration,
    /// Whether consumer groups with stored offsets exist.
    pub groups: bool,
    /// Whether an acknowledged publish is on disk.
    pub durable: bool,
    /// Largest payload, in bytes.
    pub payload_bytes_max: usize,
    /// Largest batch.
    pub batch_max: usize,
}

/// A pipeline asked for what its broker cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pipeline} needs {needed:?}, which this broker cannot give; it can give {given:?}")]
pub struct Missing {
    /// What was being built.
    pub pipeline: String,
    /// What it needs.
    pub needed: Capability,
    /// What the broker can do.
    pub given: Box<Capabilities>,
}

impl Capabilities {
    /// Whether the broker can do `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Lease => self.queue,
            Capability::NackDelay => self.nack_delay,
            Capability::Extend => self.extend,
            Capability::Release => self.release,
            Capability::AtomicDeadLetter => self.atomic_dead_letter,
            Capability::Delay => !self.delay_max.is_zero(),
            Capability::Replay => self.log,
            Capability::Groups => self.groups,
            Capability::KeyOrder => self.queue_order >= Order::Key,
            Capability::Durable => self.durable,
        }
    }

    /// Refuses the first thing in `needed` that the broker cannot do.
    ///
    /// # Errors
    /// Names it, with what the broker can do instead.
    pub fn require(&self, pipeline: &str, needed: &[Capability]) -> Result<(), Missing> {
        match needed.iter().find(|capability| !self.has(**capability)) {
            Some(needed) => {
                Err(Missing { pipeline: pipeline.to_owned(), needed: *needed, given: Box::new(*self) })
            }
            None => Ok(()),
        }
    }
}
