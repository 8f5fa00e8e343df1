//! The headers by which an answer asks a browser for care, written once, and put where the service said nothing.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::config::{FrameOptions, HstsConfig, ReferrerPolicy, SecurityConfig};
use crate::config::InvalidConfig;
use crate::limits::{HEADER_VALUE_BYTES_MAX, HSTS_MAX_AGE_MAX};
use crate::{Variable, Variables};

const YEAR_SECS: u64 = 365 * 86_400;

#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    /// Apart from the others, as a browser ignores it where it did not come over TLS (RFC 6797, 7.2 and 8.1).
    hsts: Option<HeaderValue>,
    others: Vec<(HeaderName, HeaderValue)>,
}

impl Security {
    pub(super) fn read(config: &SecurityConfig) -> Result<Self, InvalidConfig> {
        let hsts = config.hsts.as_ref().map(hsts).transpose()?;
        let mut others = Vec::new();
        if let Some(frames) = config.frame_options {
            others.push((header::X_FRAME_OPTIONS, HeaderValue::from_static(frames.as_str())));
        }
        if config.content_type_options {
            others.push((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        }
        if let Some(policy) = config.referrer_policy {
            others.push((header::REFERRER_POLICY, HeaderValue::from_static(policy.as_str())));
        }
        if let Some(policy) = &config.content_security_policy {
            let holds = !policy.trim().is_empty() && policy.len() <= HEADER_VALUE_BYTES_MAX;
            let value = HeaderValue::from_str(policy).ok().filter(|_| holds);
            let problem = "a policy that a header can carry, on one line";
            let value = value.ok_or_else(|| InvalidConfig::new("content_security_policy", problem))?;
            others.push((header::CONTENT_SECURITY_POLICY, value));
        }
        Ok(Self { hsts, others })
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap, variables: &dyn Variables) {
        for (name, value) in &self.others {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        if let Some(hsts) = &self.hsts
            && !headers.contains_key(header::STRICT_TRANSPORT_SECURITY)
            && variables.value(Variable::Scheme).as_deref() == Some("https")
        {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}

fn hsts(config: &HstsConfig) -> Result<HeaderValue, InvalidConfig> {
    let HstsConfig { max_age, include_subdomains, preload } = *config;
    InvalidConfig::unless(max_age <= HSTS_MAX_AGE_MAX, "hsts.max_age", "at most 3660d")?;
    let may_preload = !preload || (include_subdomains && max_age.as_secs() >= YEAR_SECS);
    InvalidConfig::unless(
        may_preload,
        "hsts.preload",
        "needs include_subdomains, and max_age of 365d or more",
    )?;
    let subdomains = if include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if preload { "; preload" } else { "" };
    let text = format!("max-age={}{subdomains}{preload}", max_age.as_secs());
    HeaderValue::try_from(text).map_err(|_| InvalidConfig::new("hsts", "cannot be written"))
}

impl FrameOptions {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::Sameorigin => "SAMEORIGIN",
        }
    }
}

impl ReferrerPolicy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoReferrer => "no-referrer",
            Self::NoReferrerWhenDowngrade => "no-referrer-when-downgrade",
            Self::Origin => "origin",
            Self::OriginWhenCrossOrigin => "origin-when-cross-origin",
            Self::SameOrigin => "same-origin",
            Self::StrictOrigin => "strict-origin",
            Self::StrictOriginWhenCrossOrigin => "strict-origin-when-cross-origin",
            Self::UnsafeUrl => "unsafe-url",
        }
    }
}
