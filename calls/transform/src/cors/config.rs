//! The rules of CORS as a file holds them, and what of them cannot be meant.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cors, Origins};
use crate::config::{InvalidConfig, duration_schema};
use crate::limits::{CORS_MAX_AGE_MAX, CORS_NAMES_MAX};

/// Which pages of other origins may use a route, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins as browsers send them: `https://shop.example`, `https://*.shop.example` for all hosts below it (itself
    /// not), `*` for any. `null` must be named to be allowed; sandboxed pages of anyone have it.
    pub origins: Vec<String>,
    /// Methods that pages may use, or `*`. GET, HEAD and POST they may use anyway.
    /// Default: `[GET, HEAD, POST]`.
    pub methods: Vec<String>,
    /// Headers that pages may send besides the harmless ones, or `*`; `authorization` must be named in any case.
    pub headers: Vec<String>,
    /// Headers that pages may read besides the harmless ones, or `*`.
    pub expose: Vec<String>,
    /// Whether pages may send cookies and client certificates, and read the answers. Forbids `*` everywhere.
    /// Default: `false`.
    pub credentials: bool,
    /// How long a browser need not ask again. Default: `10m`.
    #[serde(with = "mamparo_context::duration")]
    #[schemars(schema_with = "duration_schema")]
    pub max_age: Duration,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            methods: ["GET", "HEAD", "POST"].map(str::to_owned).to_vec(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl CorsConfig {
    /// Whether it can be done.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        Cors::new(self).map(drop)
    }
}

impl Cors {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &CorsConfig) -> Result<Self, InvalidConfig> {
        let origins = Origins::read(&config.origins)?;
        for (field, names) in [
            ("origins", &config.origins),
            ("methods", &config.methods),
            ("headers", &config.headers),
            ("expose", &config.expose),
        ] {
            let star = names.iter().position(|name| name == "*").filter(|_| config.credentials);
            if let Some(at) = star {
                let problem = "`*` means nothing to a browser where credentials are sent: name them";
                return Err(InvalidConfig::new(format!("{field}[{at}]"), problem));
            }
        }
        InvalidConfig::unless(config.max_age <= CORS_MAX_AGE_MAX, "max_age", "at most 1d")?;
        let is_method = |name: &str| match Method::from_bytes(name.as_bytes()) {
            // Fetch never sends these; and methods are told apart by case.
            Ok(Method::CONNECT | Method::TRACE) => Err("browsers never send it"),
            Ok(_) if name.bytes().any(|byte| byte.is_ascii_lowercase()) => Err("methods stand in upper case"),
            Ok(_) => Ok(()),
            Err(_) => Err("is not a method"),
        };
        let is_header =
            |name: &str| HeaderName::try_from(name).map(drop).map_err(|_| "is not the name of a header");
        let methods = joined("methods", &config.methods, is_method)?;
        let methods = methods.ok_or_else(|| InvalidConfig::new("methods", "at least one"))?;
        Ok(Self {
            origins,
            credentials: config.credentials,
            methods,
            headers: joined("headers", &config.headers, is_header)?,
            expose: joined("expose", &config.expose, is_header)?,
            max_age: HeaderValue::from(config.max_age.as_secs()),
        })
    }
}

/// The value of a header that lists these names; nothing where there are none.
fn joined(
    field: &str,
    names: &[String],
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<Option<HeaderValue>, InvalidConfig> {
    InvalidConfig::unless(names.len() <= CORS_NAMES_MAX, field, &format!("at most {CORS_NAMES_MAX}"))?;
    for (at, name) in names.iter().enumerate().filter(|(_, name)| *name != "*") {
        check(name).map_err(|problem| {
            InvalidConfig::new(format!("{field}[{at}]"), format!("`{name}`: {problem}"))
        })?;
    }
    if names.is_empty() {
        return Ok(None);
    }
    let value = HeaderValue::try_from(names.join(", "));
    value.map(Some).map_err(|_| InvalidConfig::new(field, "cannot be carried by a header"))
}
