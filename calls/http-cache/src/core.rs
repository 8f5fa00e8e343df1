//! What is decided without a clock, a lock or I/O: which requests a cache may answer and which answers it may keep, how
//! long they are fresh and what they are good for after that, which request an answer fits, and what is sent.

pub mod address;
pub mod conditional;
pub mod directives;
pub mod freshness;
pub mod range;
pub mod request;
pub mod serve;
pub mod status;
pub mod storable;
pub mod targeted;
pub mod update;
pub mod vary;
