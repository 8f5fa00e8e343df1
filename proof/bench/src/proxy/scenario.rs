//! What is measured: the shapes of traffic, and what ours promises for each.

use clap::ValueEnum;

use crate::report::Target;

/// A shape of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// HTTP/1.1 with small bodies, connections kept.
    Plain,
    /// The same with bodies of 64 KiB.
    #[value(name = "64k")]
    Body64k,
    /// A connection for every request.
    Connection,
    /// HTTP/1.1 over TLS, connections kept.
    Tls,
    /// HTTP/2 over TLS, HTTP/1.1 to the service.
    H2,
    /// Unary calls of gRPC over TLS, to a service without it.
    Grpc,
    /// Small bodies behind rate limit, retry and breaker.
    Policies,
    /// Ten thousand connections that do nothing.
    Idle,
    /// One of five thousand routes changes under load.
    Reload,
}

/// A quantity of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Cpu,
    /// The same where the proxy has time to spare.
    CpuAtPace,
    PerSecond,
    P50,
    P99,
    P999,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Body64k => "64k",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::H2 => "h2",
            Self::Grpc => "grpc",
            Self::Policies => "policies",
            Self::Idle => "idle",
            Self::Reload => "reload",
        }
    }

    /// Bytes of the body of an answer.
    pub(crate) fn body(self) -> usize {
        if self == Self::Body64k { 64 * 1024 } else { 128 }
    }

    /// Whether latency is taken at a pace, too.
    pub(crate) fn is_paced(self) -> bool {
        matches!(self, Self::Plain | Self::Policies)
    }

    /// Whether the traffic is encrypted.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::H2 | Self::Grpc)
    }

    /// What ours promises beside `peer`.
    pub(crate) fn target(self, quantity: Quantity, peer: &str) -> Option<Target> {
        match (self, quantity, peer) {
            (Self::Plain, Quantity::Cpu, "nginx") => Some(Target::RatioAtMost(1.25)),
            (Self::Plain | Self::Policies, Quantity::Cpu, "Envoy") => Some(Target::RatioAtMost(0.45)),
            (Self::Plain, Quantity::P99, "nginx") => Some(Target::RatioAtMost(1.1)),
            _ => None,
        }
    }
}

impl Quantity {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::CpuAtPace | Self::P50 | Self::P99 | Self::P999 => "us",
            Self::PerSecond => "1/s",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu | Self::CpuAtPace => "CPU per request",
            Self::PerSecond => "requests",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }
}
