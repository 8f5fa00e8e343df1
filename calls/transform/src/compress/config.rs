//! The rules of compression as a file holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::coder::Levels;
use super::{Coding, Compress};
use crate::config::InvalidConfig;
use crate::limits::{COMPRESS_MIN_BYTES_MAX, CONTENT_TYPES_MAX};

/// Which answers are compressed, and how. While it is sent, a long answer occupies about 1.3 MB for zstd or brotli.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressConfig {
    /// The codings that are used; where a client likes several as well, the first.
    /// Default: `[zstd, br, gzip]`.
    pub codings: Vec<Coding>,
    /// Answers with fewer bytes are left alone. Default: `1024`.
    pub min_bytes: u64,
    /// Kinds of content: `text/html`, `text/*` for all of a kind, `*+json` for all that are written in JSON.
    /// `text/event-stream` is compressed only where it is named itself. Default: what is text, and what compresses as
    /// text does.
    pub content_types: Vec<String>,
    /// How hard gzip tries, from 1 to 9. Default: `5`.
    pub gzip_level: u32,
    /// How hard brotli tries, from 0 to 9. Default: `4`.
    pub brotli_quality: u32,
    /// How hard zstd tries, from 1 to 12. Default: `3`.
    pub zstd_level: u32,
}

const TEXTUAL: &[&str] = &[
    "text/html",
    "text/css",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/xml",
    "application/javascript",
    "application/json",
    "application/wasm",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "*+json",
    "*+xml",
];

impl Default for CompressConfig {
    fn default() -> Self {
        let codings =
            Coding::ALL.into_iter().filter(|coding| cfg!(feature = "zstd") || *coding != Coding::Zstd);
        Self {
            codings: codings.collect(),
            min_bytes: 1024,
            content_types: TEXTUAL.iter().map(|&text| text.to_owned()).collect(),
            gzip_level: 5,
            brotli_quality: 4,
            zstd_level: 3,
        }
    }
}

impl CompressConfig {
    /// Whether it can be done, in this build.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        read(self).map(drop)
    }
}

pub(super) fn read(config: &CompressConfig) -> Result<Compress, InvalidConfig> {
    let unless = InvalidConfig::unless;
    unless(!config.codings.is_empty(), "codings", "at least one")?;
    for (at, coding) in config.codings.iter().enumerate() {
        let field = format!("codings[{at}]");
        unless(!config.codings.iter().take(at).any(|other| other == coding), &field, "is named twice")?;
        unless(cfg!(feature = "zstd") || *coding != Coding::Zstd, &field, "zstd is not in this build")?;
    }
    unless(config.min_bytes <= COMPRESS_MIN_BYTES_MAX, "min_bytes", "at most 16 MiB")?;
    unless((1..=9).contains(&config.gzip_level), "gzip_level", "from 1 to 9")?;
    unless(config.brotli_quality <= 9, "brotli_quality", "from 0 to 9")?;
    unless((1..=12).contains(&config.zstd_level), "zstd_level", "from 1 to 12")?;
    Ok(Compress {
        preference: config.codings.clone(),
        min_bytes: config.min_bytes,
        content_types: ContentTypes::read(&config.content_types)?,
        levels: Levels { gzip: config.gzip_level, brotli: config.brotli_quality, zstd: config.zstd_level },
    })
}

/// Kinds of content, in lower case.
#[derive(Clone, Debug)]
pub(super) struct ContentTypes {
    exact: Vec<String>,
    /// `text/` of `text/*`
    fronts: Vec<String>,
    /// `+json` of `*+json`
    backs: Vec<String>,
}

impl ContentTypes {
    fn read(texts: &[String]) -> Result<Self, InvalidConfig> {
        let few = !texts.is_empty() && texts.len() <= CONTENT_TYPES_MAX;
        InvalidConfig::unless(few, "content_types", &format!("at least one, at most {CONTENT_TYPES_MAX}"))?;
        let mut types = Self { exact: Vec::new(), fronts: Vec::new(), backs: Vec::new() };
        for (at, text) in texts.iter().enumerate() {
            let lower = text.to_ascii_lowercase();
            let wrong = |problem: &str| {
                InvalidConfig::new(format!("content_types[{at}]"), format!("`{text}` {problem}"))
            };
            if lower == "application/grpc" || lower.starts_with("application/grpc+") {
                return Err(wrong("compresses its messages itself"));
            }
            if let Some(back) = lower.strip_prefix('*').filter(|back| back.starts_with('+') && is_token(back))
            {
                types.backs.push(back.to_owned());
                continue;
            }
            match lower.split_once('/') {
                Some((kind, "*")) if is_token(kind) => types.fronts.push(format!("{kind}/")),
                Some((kind, subtype)) if is_token(kind) && is_token(subtype) => types.exact.push(lower),
                _ => return Err(wrong("is not a kind of content such as text/html, text/* or *+json")),
            }
        }
        Ok(types)
    }

    /// Whether a type and subtype are among them.
    pub(super) fn hold(&self, essence: &str) -> bool {
        let lower = essence.to_ascii_lowercase();
        if self.exact.contains(&lower) {
            return true;
        }
        let is_stream = lower == "text/event-stream" || lower.starts_with("application/grpc");
        !is_stream
            && (self.fronts.iter().any(|front| lower.starts_with(front))
                || self.backs.iter().any(|back| lower.ends_with(back)))
    }
}

fn is_token(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_good)
}
