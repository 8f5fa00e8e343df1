//! What each client of a route may ask for in a time. Nobody waits here: who asks for more is told when to come again.

use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue};
use mamparo_context::{Clock, Moment};
use mamparo_policy::rate_limit::{KeyedRateLimit, KeyedRateLimitConfig};
use mamparo_policy::{Counted, InvalidConfig, Policy};

use crate::problem::Problem;
use crate::route::RequestKey;

/// A rate limit for each of many clients. Share it between the versions of a route: what clients have taken is known to
/// it alone.
///
/// A client is told from the others by its [key](RequestKey). By its address, those of one network of IPv6 (`/64`) are
/// one client, as they are one subscriber. A request that does not have the header or the cookie counts for the address
/// that it comes from, as one that has it twice does: that gains nothing. Nobody has looked whether the value is true:
/// whoever invents a new one each time begins anew each time, and is held by a quota by address alone.
#[derive(Debug)]
pub struct ClientQuota {
    by: RequestKey,
    limit: KeyedRateLimit<u64>,
}

impl ClientQuota {
    /// So much for each client.
    ///
    /// # Errors
    /// What is wrong with `config`, or that clients have the same path.
    pub fn new(by: RequestKey, config: KeyedRateLimitConfig) -> Result<Self, InvalidConfig> {
        if by == RequestKey::Path {
            let problem = "a path does not tell clients apart".to_owned();
            return Err(InvalidConfig { policy: Policy::RateLimit, field: "by", problem });
        }
        Ok(Self { by, limit: KeyedRateLimit::new(config)? })
    }

    /// How clients are told apart.
    pub const fn by(&self) -> &RequestKey {
        &self.by
    }

    /// Takes another configuration; what clients have taken stays.
    ///
    /// # Errors
    /// What is wrong with `config`; nothing has changed then.
    pub fn reconfigure(&self, config: KeyedRateLimitConfig, now: Moment) -> Result<(), InvalidConfig> {
        self.limit.reconfigure(config, now)
    }

    /// What it has done.
    pub fn counted(&self) -> Counted {
        self.limit.counts().read()
    }

    /// The key of a request that comes from `address`.
    fn key(&self, headers: &HeaderMap, address: &HeaderValue) -> u64 {
        self.by.only(headers).unwrap_or_else(|| network(address))
    }
}

/// Takes one request of a client from each of `quotas`; one that is refused counts in those before.
pub(crate) fn take(
    quotas: &[Arc<ClientQuota>],
    headers: &HeaderMap,
    address: &HeaderValue,
    clock: &Clock,
) -> Result<(), Problem> {
    if quotas.is_empty() {
        return Ok(());
    }
    let now = clock.moment();
    let mut each = quotas.iter().map(|quota| quota.limit.acquire(&quota.key(headers, address), 1, now));
    each.try_for_each(|taken| taken.map_err(Problem::Refused))
}

/// The subscriber behind an address. It begins with another byte than the values of headers do, so that nobody takes from
/// what is another one's by naming its address.
fn network(address: &HeaderValue) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(0);
    let bytes = address.as_bytes();
    let v6 =
        if bytes.contains(&b':') { address.to_str().ok().and_then(|text| text.parse().ok()) } else { None };
    match v6 {
        Some(IpAddr::V6(v6)) => hasher.write_u64(u64::try_from(v6.to_bits() >> 64).unwrap_or(0)),
        _ => hasher.write(bytes),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::{COOKIE, HeaderName};
    use mamparo_policy::rate_limit::Quota;

    use super::*;

    fn quota(by: RequestKey, burst: u32) -> Arc<ClientQuota> {
        let quota = Quota { burst: Some(burst), ..Quota::new(1, Duration::from_secs(60)) };
        Arc::new(ClientQuota::new(by, KeyedRateLimitConfig::new(quota)).unwrap())
    }

    fn asks(quotas: &[Arc<ClientQuota>], address: &str, lines: &[(HeaderName, &str)]) -> bool {
        let line = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
        let headers = lines.iter().map(line).collect();
        take(quotas, &headers, &address.parse().unwrap(), &Clock::manual().0).is_ok()
    }

    #[test]
    fn each_client_has_its_own_and_a_network_is_one_client() {
        let quotas = [quota(RequestKey::Address, 2)];
        let asks = |address| asks(&quotas, address, &[]);
        assert_eq!([asks("10.0.0.1"), asks("10.0.0.1"), asks("10.0.0.1")], [true, true, false]);
        assert!(asks("10.0.0.2"));
        let in_one_network = ["2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8::3"].map(asks);
        assert_eq!(in_one_network, [true, true, false]);
        assert!(asks("2001:db8:0:1::1"));
    }

    #[test]
    fn who_leaves_the_key_out_is_counted_by_address_and_takes_from_nobody_else() {
        let key = HeaderName::from_static("x-api-key");
        let quotas = [quota(RequestKey::Header(key.clone()), 1)];
        assert!(asks(&quotas, "10.0.0.1", &[(key.clone(), "a")]));
        assert!(!asks(&quotas, "10.0.0.2", &[(key.clone(), "a")]));
        assert!(asks(&quotas, "10.0.0.2", &[(key.clone(), "10.0.0.1")]));
        assert!(asks(&quotas, "10.0.0.1", &[]), "nobody has taken what is of the address");
        assert!(!asks(&quotas, "10.0.0.1", &[]));
        let quotas = [quota(RequestKey::Cookie("sid".into()), 1)];
        assert!(asks(&quotas, "10.0.0.1", &[(COOKIE, "a=b; sid=1")]));
        assert!(!asks(&quotas, "10.0.0.2", &[(COOKIE, "sid=1")]));
    }

    #[test]
    fn who_says_the_key_twice_is_counted_by_address() {
        let key = HeaderName::from_static("x-api-key");
        let quotas = [quota(RequestKey::Header(key.clone()), 1)];
        assert!(asks(&quotas, "10.0.0.1", &[(key.clone(), "new"), (key.clone(), "a")]));
        assert!(!asks(&quotas, "10.0.0.1", &[(key.clone(), "newer"), (key.clone(), "a")]));
        let quotas = [quota(RequestKey::Cookie("sid".into()), 1)];
        assert!(asks(&quotas, "10.0.0.1", &[(COOKIE, "sid=new; sid=a")]));
        assert!(!asks(&quotas, "10.0.0.1", &[(COOKIE, "sid=newer"), (COOKIE, "sid=a")]));
        let config = KeyedRateLimitConfig::new(Quota::new(1, Duration::from_secs(1)));
        assert!(ClientQuota::new(RequestKey::Path, config).is_err());
    }
}
