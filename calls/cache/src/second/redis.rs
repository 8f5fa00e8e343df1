//! The second level on Redis: values and leases are keys that end by themselves, notes are published, and what must
//! happen together is one script.

mod scripts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use mamparo_context::{Clock, Random};
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSubStream};
use redis::{AsyncCommands, Client};

use self::scripts::Scripts;
use super::{Kept, Lease, Note, Notes, Scope, Tier, TierError};
use crate::journal::BoxFuture;
use crate::limits::DURATION_MAX;

/// How Redis is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    /// How long it may take to connect.
    pub connection_timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { connection_timeout: Duration::from_secs(1), response_timeout: Duration::from_secs(1) }
    }
}

/// A second level on Redis. One connection serves all requests, another one hears the notes; both are made again when
/// they break.
pub struct RedisTier {
    client: Client,
    connection: ConnectionManager,
    connection_timeout: Duration,
    /// Before every key. In braces, so that a cluster keeps all of a cache on one node, as scripts need it.
    prefix: String,
    scripts: Scripts,
    clock: Clock,
    random: Random,
}

impl std::fmt::Debug for RedisTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTier").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl From<redis::RedisError> for TierError {
    fn from(error: redis::RedisError) -> Self {
        Self { why: error.to_string() }
    }
}

impl RedisTier {
    /// The cache that is called `name` on the Redis at `url`, such as `redis://127.0.0.1:6379`. Nothing is connected
    /// before it is needed. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(url: &str, name: &str, options: RedisOptions) -> Result<Self, TierError> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(options.connection_timeout))
            .set_response_timeout(Some(options.response_timeout))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        let connection = client.get_connection_manager_lazy(config)?;
        let prefix = format!("{{mamparo:{name}}}:");
        let (clock, random) = (Clock::system(), Random::system());
        let connection_timeout = options.connection_timeout;
        Ok(Self { client, connection, connection_timeout, prefix, scripts: Scripts::new(), clock, random })
    }

    fn key(&self, kind: u8, name: &[u8]) -> Vec<u8> {
        let mut key = self.prefix.clone().into_bytes();
        key.push(kind);
        key.extend_from_slice(name);
        key
    }

    fn value_key(&self, name: &[u8]) -> Vec<u8> {
        self.key(b'v', name)
    }

    fn lease_key(&self, name: &[u8]) -> Vec<u8> {
        self.key(b'l', name)
    }

    fn tag_key(&self, name: &str) -> Vec<u8> {
        self.key(b't', name.as_bytes())
    }

    fn cleared_key(&self) -> Vec<u8> {
        self.key(b'c', b"")
    }

    fn sequence_key(&self) -> Vec<u8> {
        self.key(b's', b"")
    }

    fn channel(&self) -> Vec<u8> {
        self.key(b'n', b"")
    }

    /// Where the numbers begin when Redis has forgotten them: later than any before, so that the gap shows.
    fn seed(&self) -> i64 {
        self.clock.wall().as_micros()
    }
}

impl Tier for RedisTier {
    fn read<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Kept, TierError>> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let (entry, cleared): (Option<Bytes>, Option<u64>) =
                connection.mget(&[self.value_key(key), self.cleared_key()]).await?;
            Ok(Kept { entry, cleared: cleared.unwrap_or(0) })
        })
    }

    fn tags<'a>(&'a self, tags: &'a [Arc<str>]) -> BoxFuture<'a, Result<u64, TierError>> {
        Box::pin(async move {
            let keys: Vec<Vec<u8>> = tags.iter().map(|tag| self.tag_key(tag)).collect();
            let numbers: Vec<Option<u64>> = self.connection.clone().mget(&keys).await?;
            Ok(numbers.into_iter().flatten().max().unwrap_or(0))
        })
    }

    fn lease<'a>(&'a self, key: &'a [u8], time: Duration) -> BoxFuture<'a, Result<Lease, TierError>> {
        Box::pin(async move {
            let token = self.random.next_u64();
            let mut script = self.scripts.lease.key(self.lease_key(key));
            script.key(self.sequence_key()).arg(token.to_string()).arg(millis(time)).arg(self.seed());
            let (is_held, sequence): (bool, u64) = script.invoke_async(&mut self.connection.clone()).await?;
            Ok(if is_held { Lease::Held { token, sequence } } else { Lease::Taken })
        })
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        token: u64,
        entry: Vec<u8>,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, TierError>> {
        Box::pin(async move {
            let mut script = self.scripts.fill.key(self.value_key(key));
            script.key(self.lease_key(key)).arg(token.to_string()).arg(entry).arg(millis(life));
            Ok(script.invoke_async(&mut self.connection.clone()).await?)
        })
    }

    fn release<'a>(&'a self, key: &'a [u8], token: u64) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            let mut script = self.scripts.release.key(self.lease_key(key));
            script.arg(token.to_string());
            let _: u64 = script.invoke_async(&mut self.connection.clone()).await?;
            Ok(())
        })
    }

    fn invalidate<'a>(
        &'a self,
        scope: &'a Scope<Bytes>,
        origin: u64,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            let (kind, name): (&str, &[u8]) = match scope {
                Scope::Key(key) => ("k", key),
                Scope::Tag(tag) => ("t", tag.as_bytes()),
                Scope::All => ("a", b""),
            };
            let script = match scope {
                Scope::Key(_) => &self.scripts.remove,
                Scope::Tag(_) | Scope::All => &self.scripts.mark,
            };
            let (first, second) = match scope {
                Scope::Key(key) => (self.value_key(key), self.lease_key(key)),
                Scope::Tag(tag) => (self.tag_key(tag), self.cleared_key()),
                Scope::All => (self.cleared_key(), self.cleared_key()),
            };
            let mut script = script.key(first);
            script.key(second).key(self.sequence_key());
            script
                .arg(self.seed())
                .arg(self.channel())
                .arg(origin.to_string())
                .arg(kind)
                .arg(name)
                .arg(DURATION_MAX.as_secs());
            let _: u64 = script.invoke_async(&mut self.connection.clone()).await?;
            Ok(())
        })
    }

    fn sequence(&self) -> BoxFuture<'_, Result<u64, TierError>> {
        Box::pin(async move {
            let mut script = self.scripts.sequence.key(self.sequence_key());
            script.arg(self.seed());
            Ok(script.invoke_async(&mut self.connection.clone()).await?)
        })
    }

    fn listen(&self) -> BoxFuture<'_, Result<Box<dyn Notes>, TierError>> {
        Box::pin(async move {
            let connect = async {
                let mut pubsub = self.client.get_async_pubsub().await?;
                pubsub.subscribe(self.channel()).await?;
                Ok::<_, TierError>(pubsub.into_on_message())
            };
            let until = self.clock.moment() + self.connection_timeout;
            let late = |_| TierError { why: "not connected in time".into() };
            let messages =
                mamparo_policy::time::timeout_at(&self.clock, until, connect).await.map_err(late)??;
            Ok(Box::new(Heard { messages }) as Box<dyn Notes>)
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64)
}

struct Heard {
    messages: PubSubStream,
}

impl Notes for Heard {
    fn next(&mut self) -> BoxFuture<'_, Option<Note>> {
        Box::pin(async move {
            loop {
                let message = self.messages.next().await?;
                if let Some(note) = parse(message.get_payload_bytes()) {
                    return Some(note);
                }
            }
        })
    }
}

/// `sequence origin kind name`, the name to the end.
fn parse(bytes: &[u8]) -> Option<Note> {
    let mut parts = bytes.splitn(4, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    let (sequence, origin) = (number()?, number()?);
    let (kind, name) = (parts.next()?, parts.next()?);
    let scope = match kind {
        b"k" => Scope::Key(Bytes::copy_from_slice(name)),
        b"t" => Scope::Tag(std::str::from_utf8(name).ok()?.into()),
        b"a" => Scope::All,
        _ => return None,
    };
    Some(Note { sequence, origin, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_with_whatever_stands_in_its_key() {
        let note = |scope| Some(Note { sequence: 7, origin: 9, scope });
        assert_eq!(parse(b"7 9 k a \0b\xff"), note(Scope::Key(Bytes::from_static(b"a \0b\xff"))));
        assert_eq!(parse(b"7 9 t drinks"), note(Scope::Tag("drinks".into())));
        assert_eq!(parse(b"7 9 a "), note(Scope::All));
        for wrong in [b"".as_slice(), b"7", b"7 9 k", b"7 9 x y", b"x 9 k y", b"7 9 t \xff"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
