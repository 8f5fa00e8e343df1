//! The shape of what is said of connections before anything in them is a request.

use schemars::JsonSchema;
use serde::Deserialize;

/// Load balancers in front of the gateway that say who a client is, by the PROXY protocol (version 1 or 2).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyProtocol {
    /// The networks (`10.0.0.0/8`) and addresses (`192.0.2.1`) that these balancers have. A connection from one of them
    /// must begin with a header of the PROXY protocol, plain or before TLS, else it is closed; from anybody else none is
    /// read.
    pub(crate) from: Vec<String>,
}

/// TLS connections that are passed on without being terminated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passthrough {
    /// The hosts that its clients ask for (SNI): `shop.example`, or `*.shop.example` for all below a domain. An exact
    /// host goes before the longest domain.
    #[schemars(length(min = 1))]
    pub(crate) hosts: Vec<String>,
    /// The service that terminates TLS itself. `tls` of that service is not used here: it gets the bytes of the client.
    pub(crate) service: String,
}
