//! What a route changes about requests and answers on their way: headers, CORS, compression, gRPC-Web, JSON bodies, and
//! what a hook of the operator's own says. A route's file holds it under the key `transform`, as a [`TransformConfig`];
//! [`Transform`] is the same read once, and says in which order a proxy calls it. Where a request comes from is found
//! before there is a route, by [`forwarded`].
//!
//! Decisions are pure: they take heads and return values, and know neither clock nor runtime. Bodies are adapters over
//! any [`http_body::Body`] of [`Bytes`](bytes::Bytes), driven by polling: what is not taken is not read, trailers pass,
//! and nothing is held whole but where a template or a hook asks for it, and then up to a bound.

pub mod limits;

mod config;
mod fields;
mod names;
mod variables;

mod body;

pub mod compress;
pub mod cors;
pub mod external;
pub mod forwarded;
pub mod grpc_web;
pub mod headers;
pub mod template;

mod transform;

pub use body::{BodyError, Content, Gather, GatherError, Whole, gather};
pub use config::InvalidConfig;
pub use transform::{AnswerBody, AnswerPlan, Exchange, RequestBody, Transform, TransformConfig};
pub use variables::{Variable, Variables};
