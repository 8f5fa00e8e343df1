//! Real handshakes: over pipes in memory between our two sides, and over a socket with programs that we did not write.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod client_auth;
mod files;
mod hello;
mod pass;
mod programs;
mod reload;
mod rig;
mod server;
mod upstream;
