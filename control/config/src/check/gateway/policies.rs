//! What a request passes on its way, and when it is sent more than once.

use mamparo_context::Criticality;
use mamparo_policy::InvalidConfig;
use mamparo_policy::hedge::HedgeConfig;
use mamparo_policy::rate_limit::{KeyedRateLimitConfig, Quota};
use mamparo_policy::retry::RetryConfig;
use mamparo_policy::stack::AdmissionConfig;

use super::{Checker, ROUTES};
use crate::config::{ClientRateLimit, RequestKey};
use crate::file::{self, Class};
use crate::limits::{RATE_LIMITS_MAX, REPLAY_BYTES, REPLAY_BYTES_MAX};
use crate::tree::Step;

/// What was said of them.
pub(super) struct Said {
    pub(super) rate_limits: Vec<ClientRateLimit>,
    pub(super) criticality: Option<Criticality>,
    pub(super) replay: u64,
}

impl Checker<'_> {
    /// `has_guard`: whether the machine says when there is too much to do.
    pub(super) fn policies(&mut self, index: usize, raw: &mut file::Route, has_guard: bool) -> Said {
        if let Some(policies) = raw.policies.as_deref() {
            if let Err(InvalidConfig { policy, field, problem }) = policies.check() {
                let policy = policy.as_str().replace('-', "_");
                let keys: Vec<&str> = ["policies", &policy].into_iter().chain(field.split('.')).collect();
                self.route_at(index, &keys, problem, None);
            }
            let AdmissionConfig { shed, adaptive, fault_injection, .. } = policies;
            if fault_injection.as_ref().is_some_and(|faults| faults.principal.is_some()) {
                let message = "nothing here can prove who calls yet, so that nobody would be hit".to_owned();
                let keys = ["policies", "fault_injection", "principal"];
                self.route_at(index, &keys, message, Some("leave it out, or say `criticality`".into()));
            }
            if shed.is_some() && adaptive.is_none() && !has_guard {
                let message = "nothing says when there is too much to do".to_owned();
                let help = "say `policies.adaptive` beside it, or `gateway.guard`".to_owned();
                self.route_at(index, &["policies", "shed"], message, Some(help));
            }
        }
        if let Some(Err(wrong)) = raw.retry.as_ref().map(RetryConfig::check) {
            self.repeats_at(index, "retry", wrong);
        }
        if let Some(Err(wrong)) = raw.hedge.as_ref().map(HedgeConfig::check) {
            self.repeats_at(index, "hedge", wrong);
        }
        if raw.retry.is_some() && raw.hedge.is_some() {
            let message = "a route has either `retry` or `hedge`, not both".to_owned();
            let steps = [ROUTES[0], ROUTES[1], Step::Index(index)];
            self.at_key(&steps, "hedge", message, Some("leave one of them out".into()));
        }
        if let (Some(_), None) = (raw.replay, &raw.retry) {
            let message = "without `retry` nothing is sent again".to_owned();
            self.route_at(index, &["replay"], message, None);
        }
        let replay = raw.replay.map_or(REPLAY_BYTES, |size| size.0);
        if replay > REPLAY_BYTES_MAX {
            self.route_at(index, &["replay"], "at most 8MiB".into(), None);
        }
        let criticality = raw.criticality.map(|class| match class {
            Class::Sheddable => Criticality::Sheddable,
            Class::SheddablePlus => Criticality::SheddablePlus,
            Class::Critical => Criticality::Critical,
            Class::CriticalPlus => Criticality::CriticalPlus,
        });
        Said {
            rate_limits: self.rate_limits(index, std::mem::take(&mut raw.rate_limits)),
            criticality,
            replay,
        }
    }

    fn repeats_at(&mut self, index: usize, key: &str, wrong: InvalidConfig) {
        let keys: Vec<&str> = [key].into_iter().chain(wrong.field.split('.')).collect();
        self.route_at(index, &keys, wrong.problem, None);
    }

    fn rate_limits(&mut self, index: usize, raw: Vec<file::ClientRateLimit>) -> Vec<ClientRateLimit> {
        if raw.len() > RATE_LIMITS_MAX {
            let message = format!("{} of them, at most {RATE_LIMITS_MAX} are kept", raw.len());
            self.route_at(index, &["rate_limits"], message, None);
        }
        let each = raw.into_iter().take(RATE_LIMITS_MAX).enumerate();
        each.map(|(number, one)| self.rate_limit(index, number, one)).collect()
    }

    fn rate_limit(&mut self, index: usize, number: usize, raw: file::ClientRateLimit) -> ClientRateLimit {
        let file::ClientRateLimit { by, rate, per, burst, clients, mode } = raw;
        let steps = [ROUTES[0], ROUTES[1], Step::Index(index), Step::Key("rate_limits"), Step::Index(number)];
        let key = RequestKey::parse(&by).filter(|key| *key != RequestKey::Path);
        if key.is_none() {
            let help = "say address, header:<name> or cookie:<name>".to_owned();
            self.at_field(&steps, "by", format!("`{by}` does not tell clients apart"), Some(help));
        }
        let per = per.map_or(std::time::Duration::from_secs(1), |span| span.0);
        let mut limit = KeyedRateLimitConfig::new(Quota { rate, per, burst });
        limit.mode = mode;
        limit.keys = clients.unwrap_or(limit.keys);
        if let Err(wrong) = limit.check() {
            let field = if wrong.field == "keys" { "clients" } else { wrong.field };
            self.at_field(&steps, field, wrong.problem, None);
        }
        ClientRateLimit { by: key.unwrap_or_default(), limit }
    }
}
