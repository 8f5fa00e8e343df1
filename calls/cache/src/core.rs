//! What is decided without a clock, randomness or I/O: what an entry is good for, what becomes of a load that an
//! invalidation overtakes, which dirty entry is written when, and what a gap in the notes of other nodes means.

pub mod dirty;
pub mod entry;
pub mod flights;
pub mod recovery;
pub mod sequence;
