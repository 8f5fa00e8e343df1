//! The caches of the routes on the admin face: how they stand, and what is to be forgotten.

use mamparo_admin::AdminError;
use mamparo_http_cache::core::request::Reason;
use mamparo_http_cache::{HttpCache, Purge};
use mamparo_proxy::View;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const HELP: &str = "body: one of {\"tag\": \"...\"}, {\"address\": \"...\"}, {\"prefix\": \"...\"} and {\"all\": true}; \
                    with \"route\" of one route only";

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// Of this route only.
    route: Option<String>,
    tag: Option<String>,
    address: Option<String>,
    prefix: Option<String>,
    all: bool,
}

impl Asked {
    /// The one thing that is to be forgotten.
    fn purge(&mut self) -> Option<Purge> {
        let all = [
            self.tag.take().map(Purge::Tag),
            self.address.take().map(Purge::Address),
            self.prefix.take().map(Purge::Prefix),
            self.all.then_some(Purge::All),
        ];
        let mut said = all.into_iter().flatten();
        said.next().filter(|_| said.next().is_none())
    }
}

/// How each cache stands, by its route.
pub(super) fn described(proxy: Option<&View>) -> Value {
    proxy.map(View::caches).unwrap_or_default().iter().map(one).collect::<Vec<_>>().into()
}

fn one(cache: &HttpCache) -> Value {
    let stands = cache.describe();
    let counts = stands.counts;
    let bypassed = Reason::ALL.map(|reason| (reason.as_str().to_owned(), counts.bypassed_for(reason).into()));
    let mut all = json!(counts);
    all["bypassed"] = bypassed.into_iter().collect::<Map<String, Value>>().into();
    json!({
        "route": stands.name,
        "entries": stands.entries,
        "bytes": stands.bytes,
        "capacity_bytes": stands.capacity_bytes,
        "buffered_bytes": stands.buffered_bytes,
        "fills": stands.fills,
        "evicted": stands.evicted,
        "hits": counts.hits,
        "stale": counts.stale,
        "misses": counts.misses,
        "counts": all,
    })
}

/// Has the caches forget: the routes whose caches have.
pub(super) fn purge(proxy: Option<&View>, body: Value) -> Result<Value, AdminError> {
    let mut asked: Asked =
        serde_json::from_value(body).map_err(|error| AdminError::Invalid(format!("{error}; {HELP}")))?;
    let purge = asked.purge().ok_or_else(|| AdminError::Invalid(HELP.into()))?;
    let caches = proxy.map(View::caches).unwrap_or_default();
    let is_wanted = |name: &str| asked.route.as_ref().is_none_or(|route| route == name);
    let wanted: Vec<&HttpCache> = caches.iter().filter(|cache| is_wanted(cache.name())).collect();
    if let (Some(route), []) = (&asked.route, wanted.as_slice()) {
        let known: Vec<&str> = caches.iter().map(HttpCache::name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(AdminError::NotFound(format!(
            "no route {route:?} keeps answers; those that do: {known}"
        )));
    }
    for cache in &wanted {
        cache.purge(&purge).map_err(|error| AdminError::Invalid(error.to_string()))?;
    }
    let routes: Vec<&str> = wanted.iter().map(|cache| cache.name()).collect();
    tracing::info!(?purge, ?routes, "caches were purged on the admin socket");
    Ok(json!({ "purged": routes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_purged_at_a_time() {
        let purge = |body: &Value| {
            serde_json::from_value::<Asked>(body.clone()).ok().and_then(|mut asked| asked.purge())
        };
        assert_eq!(purge(&json!({"tag": "a"})), Some(Purge::Tag("a".into())));
        assert_eq!(purge(&json!({"all": true, "route": "r"})), Some(Purge::All));
        for wrong in [
            json!({}),
            json!({"all": false}),
            json!({"tag": "a", "all": true}),
            json!({"tags": "a"}),
            Value::Null,
        ] {
            assert_eq!(purge(&wrong), None, "{wrong}");
        }
    }
}
