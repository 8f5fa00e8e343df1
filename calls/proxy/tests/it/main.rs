//! The proxy against real sockets: clients and services here speak in bytes, so that they can also misbehave.

#![expect(clippy::unwrap_used, reason = "the rig around the tests may fail them")]
#![expect(clippy::disallowed_methods, reason = "real sockets live in the time of the machine")]

mod bodies;
mod cache;
mod clients;
mod curl;
mod drain;
mod entry;
mod framing;
mod grpc;
mod headers;
mod hearing;
mod hedge;
mod http2;
mod interim;
mod limits;
mod log;
mod origin;
mod passed;
mod policies;
mod rig;
mod routes;
mod services;
mod tls;
mod transform;
mod upgrade;
mod websocket2;
