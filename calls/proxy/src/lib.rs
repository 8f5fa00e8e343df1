//! The data plane: a reverse proxy for HTTP/1.1, HTTP/2, gRPC and WebSockets, as the gateway at the edge and as the
//! way by which services reach each other by name. A request walks through the modules in the order in which they
//! stand here.
//!
//! - Each side speaks its own protocol: a client of HTTP/2 reaches a service of HTTP/1.1, and the other way round.
//! - Bodies stream both ways under back pressure and are held only where a route may have to send one again, has it put
//!   together anew or shows it to a hook, up to a bound. Trailers are passed on; to a client of HTTP/1.1 where `trailer`
//!   announces them. `100 Continue` is given to the client when a connection to the service takes the body.
//! - A WebSocket is asked for by `Upgrade` on HTTP/1.1 and by an extended `CONNECT` on HTTP/2; nothing that a client
//!   sends ahead of the grant reaches the service before it. Other protocols are not asked for: the service answers
//!   the request as plain HTTP. `CONNECT` otherwise, and `TRACE`, are refused.
//! - A request is sent again only where it is proven that the service has not seen it, once where it is a GET, HEAD or
//!   OPTIONS without a body, and where the route has a retry policy. A service that broke off under any other request
//!   is told as 503 `service-broke-off`: whoever sent it with an idempotency key may send it again.

mod limits;
mod metrics;
mod options;
mod proxy;
mod view;
mod worker;

mod walk;

mod accept;
mod grpc;
mod identify;
mod interim;
mod origin;
mod quota;
mod route;

mod admit;
mod cached;
mod forward;
mod health;
mod pool;
mod transport;

mod access;
mod hop_by_hop;
mod problem;
mod respond;
mod transform;
mod tunnel;
mod upgrade;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use mamparo_telemetry::access::FIELDS as ACCESS_FIELDS;

pub use access::{AccessLog, Fields, Sink};
pub use limits::Limits;
pub use metrics::Metrics;
pub use options::{Door, Entry, Listener, Options};
pub use proxy::{Drained, Proxy, StartError, Steering};
pub use quota::ClientQuota;
pub use route::{
    Access, Answer, HeaderMatch, Host, InvalidHost, Match, Mirror, Passage, Path, PathRewrite, QueryMatch,
    Redirect, RequestKey, Rewrite, Route, Routing, RoutingError, Scheme, Services, Settings, Target,
    Upstream, Wanted, Weighted,
};
pub use transport::{Speaks, Transport, VerifiedTls};
pub use view::{UpstreamStatus, View};
