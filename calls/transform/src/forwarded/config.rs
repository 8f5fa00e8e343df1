//! The rules about hops as a file holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Forwarded, Network};
use crate::config::InvalidConfig;
use crate::limits::{HOPS_MAX, NETWORKS_MAX};

/// Whose word counts on where a request comes from, and what services are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardedConfig {
    /// How many proxies stand in front, whatever their addresses. `1` trusts the peer of the connection.
    /// Default: `0`.
    pub trusted_hops: usize,
    /// Networks whose word counts: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    pub trusted_networks: Vec<String>,
    /// The headers in which the trusted ones speak. The others are dropped, as a hop may pass them on unseen.
    /// Default: `x-forwarded`.
    pub read: ClaimHeaders,
    /// Whether services are told by `x-forwarded-for`, `-proto`, `-host` and `-port`. Default: `true`.
    pub write_x_forwarded: bool,
    /// Whether services are told by `forwarded`. Default: `false`.
    pub write_forwarded: bool,
}

/// Headers in which hops speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimHeaders {
    /// `x-forwarded-for` and its kin.
    #[default]
    XForwarded,
    /// `forwarded` (RFC 7239).
    Forwarded,
}

impl Default for ForwardedConfig {
    fn default() -> Self {
        Self {
            trusted_hops: 0,
            trusted_networks: Vec::new(),
            read: ClaimHeaders::default(),
            write_x_forwarded: true,
            write_forwarded: false,
        }
    }
}

impl ForwardedConfig {
    /// Whether it can be done.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        Forwarded::new(self).map(drop)
    }
}

impl Forwarded {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &ForwardedConfig) -> Result<Self, InvalidConfig> {
        let few = config.trusted_hops <= HOPS_MAX;
        InvalidConfig::unless(few, "trusted_hops", &format!("at most {HOPS_MAX}"))?;
        let few = config.trusted_networks.len() <= NETWORKS_MAX;
        InvalidConfig::unless(few, "trusted_networks", &format!("at most {NETWORKS_MAX}"))?;
        let network = |(at, text): (usize, &String)| {
            text.parse::<Network>()
                .map_err(|error| InvalidConfig::new(format!("trusted_networks[{at}]"), error.to_string()))
        };
        Ok(Self {
            trusted_hops: config.trusted_hops,
            networks: config.trusted_networks.iter().enumerate().map(network).collect::<Result<_, _>>()?,
            read: config.read,
            write_x_forwarded: config.write_x_forwarded,
            write_forwarded: config.write_forwarded,
        })
    }
}
