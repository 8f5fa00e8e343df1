//! Templates as a file holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Template;
use crate::config::InvalidConfig;
use crate::limits::{HELD_BODY_BYTES_DEFAULT, HELD_BODY_BYTES_MAX};

/// Which bodies are put together anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TemplateConfig {
    /// The bodies of requests. A request that has a body which is not JSON is refused (415, 400), as is one whose body
    /// is too long (413).
    pub request: Option<BodyTemplateConfig>,
    /// The bodies of answers that are a success (2xx) and JSON; others pass. One that cannot be read is answered as
    /// 502.
    pub answer: Option<BodyTemplateConfig>,
}

/// What a body becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BodyTemplateConfig {
    /// The new body: JSON, in whose strings `{body.id}`, `{header.x-user}`, `{client_ip}`, `{route}` and the captures of
    /// the path stand for what they name. Default: `"{body}"`, the body as it is.
    pub body: Value,
    /// Bodies with more bytes than this are refused. Default: `65536`.
    pub max_bytes: usize,
}

impl Default for BodyTemplateConfig {
    fn default() -> Self {
        Self { body: Value::String("{body}".to_owned()), max_bytes: HELD_BODY_BYTES_DEFAULT }
    }
}

impl TemplateConfig {
    /// Whether it can be done.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        for (key, side) in [("request", &self.request), ("answer", &self.answer)] {
            if let Some(side) = side {
                Template::new(side).map_err(|error| error.below(key))?;
            }
        }
        Ok(())
    }
}

impl BodyTemplateConfig {
    pub(super) fn check_size(&self) -> Result<(), InvalidConfig> {
        let in_bounds = (1..=HELD_BODY_BYTES_MAX).contains(&self.max_bytes);
        InvalidConfig::unless(in_bounds, "max_bytes", "from 1 to 1048576")
    }
}
