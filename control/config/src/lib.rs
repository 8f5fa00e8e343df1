//! One file, one schema. Decides what `mamparo.yaml` may say, and answers everything that is wrong with it at
//! once, each with line, column and a suggestion. It reads no file and starts nothing.
//!
//! Two stages: the text becomes a tree that remembers where each value stands, and is compared with the schema
//! (which is generated from the doc comments and types in `file`); then the values are checked against each other
//! and become a [`Config`], the only type that other rooms see. [`InForce`] says what the next version of the file
//! changes while a process runs. [`read`] does the first stage for files of any other shape that has a schema.

mod check;
mod config;
mod document;
mod file;
mod in_force;
pub mod limits;
mod problem;
mod reference;
mod schema;
mod shape;
mod suggest;
mod tree;
mod units;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use check::check;
pub use config::{
    AccessLog, Application, CardProvider, ClientRateLimit, Config, Gateway, GatewayLimits, Listeners,
    LogFormat, LogOptions, LogTopic, Passthrough, PathRewrite, QueueTopic, RequestKey, Role, Route,
    RouteAnswer, RouteMatch, RoutePath, RouteRedirect, RouteServices, RouteTarget, Service, ServiceEndpoint,
    ServicePlace, ServiceProtocol, Shop, Telemetry, Topic, ValueMatch,
};
pub use document::{Document, read};
pub use in_force::{InForce, Kept, Next, Refused};
pub use problem::Problem;
pub use reference::reference;
pub use schema::schema;
