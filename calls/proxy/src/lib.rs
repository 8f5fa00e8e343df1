//! The data plane: an HTTP/1.1 reverse proxy, as the gateway at the edge and as the way by which services reach
//! each other by name. A request walks through the modules in the order in which they stand here.
//!
//! - Bodies stream both ways under back pressure and are never buffered; trailers are passed on where `trailer`
//!   announces them. Interim answers (103) of a service are not passed on; `100 Continue` is given to the client
//!   when a connection to the service takes the body.
//! - `Upgrade` is not forwarded: it is stripped, so that the service answers the request as plain HTTP.
//!   `CONNECT` and `TRACE` are refused.
//! - A request is sent again only where it is proven that the service has not seen it, and once where it is a
//!   GET, HEAD or OPTIONS without a body. A service that broke off under any other request is told as 503
//!   `service-broke-off`: whoever sent it with an idempotency key may send it again.

mod limits;
mod metrics;
mod options;
mod proxy;
mod view;
mod worker;

mod walk;

mod accept;
mod identify;
mod route;

mod admit;
mod forward;
mod pool;

mod hop_by_hop;
mod problem;
mod respond;

pub use limits::Limits;
pub use metrics::Metrics;
pub use options::{Door, Listener, Options};
pub use proxy::{Drained, Proxy, StartError};
pub use route::{
    Access, Answer, Host, InvalidHost, Path, Route, Routing, RoutingError, Settings, Target, Upstream,
};
pub use view::{EndpointStatus, UpstreamStatus, View};
