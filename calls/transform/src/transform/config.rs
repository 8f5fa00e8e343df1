//! The key `transform` of a route.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Transform;
use crate::compress::{Compress, CompressConfig};
use crate::config::InvalidConfig;
use crate::cors::{Cors, CorsConfig};
use crate::external::{External, ExternalConfig};
use crate::grpc_web::GrpcWebConfig;
use crate::headers::{Headers, HeadersConfig};
use crate::template::{Template, TemplateConfig};

/// What a route changes about requests and answers. Without a key nothing is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransformConfig {
    /// Headers that are renamed, removed, set and added.
    pub headers: HeadersConfig,
    /// Pages of other origins that may use the route. Without it the service answers for itself.
    pub cors: Option<CorsConfig>,
    /// Answers that are compressed.
    pub compress: Option<CompressConfig>,
    /// Takes calls by gRPC-Web, and makes them calls by gRPC.
    pub grpc_web: Option<GrpcWebConfig>,
    /// JSON bodies that are put together anew.
    pub template: TemplateConfig,
    /// A hook that is asked about every request.
    pub external: Option<ExternalConfig>,
}

impl TransformConfig {
    /// Whether it can be done, in this build.
    ///
    /// # Errors
    /// The first value that is wrong, by its path from the key `transform`.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        read(self).map(drop)
    }
}

pub(super) fn read(config: &TransformConfig) -> Result<Transform, InvalidConfig> {
    fn part<C, T>(
        key: &str,
        config: &Option<C>,
        read: impl Fn(&C) -> Result<T, InvalidConfig>,
    ) -> Result<Option<T>, InvalidConfig> {
        config.as_ref().map(read).transpose().map_err(|error| error.below(key))
    }
    Ok(Transform {
        headers: Headers::new(&config.headers).map_err(|error| error.below("headers"))?,
        cors: part("cors", &config.cors, Cors::new)?,
        compress: part("compress", &config.compress, Compress::new)?,
        grpc_web: part("grpc_web", &config.grpc_web, |config| config.check().map(|()| *config))?,
        request_template: part("template.request", &config.template.request, Template::new)?,
        answer_template: part("template.answer", &config.template.answer, Template::new)?,
        external: part("external", &config.external, External::new)?,
    })
}
