//! What both sides of TLS have in common: one provider of cryptography, the versions that are spoken, one clock.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mamparo_context::{Clock, Timestamp};
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};

use crate::config::TlsVersion;

/// The one provider of cryptography. It is handed on explicitly: what a process may have installed does not count.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// The versions that are spoken where `oldest` is the oldest.
pub(crate) fn versions(oldest: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEW: [&SupportedProtocolVersion; 1] = [&TLS13];
    static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match oldest {
        TlsVersion::V1_2 => &ALL,
        TlsVersion::V1_3 => &NEW,
    }
}

/// Tells rustls what time it is, by the clock that everything is handed.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.wall().since(Timestamp::default());
        Some(UnixTime::since_unix_epoch(Duration::from_secs(since.as_secs())))
    }
}
