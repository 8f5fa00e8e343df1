//! Keeps shared quotas in Redis: one script, on one connection that all calls share.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use tokio::sync::Mutex;

use super::{Ask, Given, Quota, SharedStore, StoreError};

const TAKE: &str = include_str!("take.lua");

/// Shared quotas in Redis (or a server that speaks like it and runs its scripts).
pub struct RedisStore {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    script: Script,
    prefix: String,
}

impl RedisStore {
    /// The server at `url`, such as `redis://localhost:6379` or `redis+unix:///run/redis.sock`. Names of quotas
    /// begin with `prefix` there. The connection is made when it is first needed.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(url: &str, prefix: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(told)?;
        Ok(Self { client, connection: Mutex::new(None), script: Script::new(TAKE), prefix: prefix.into() })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        let connection = self.client.get_multiplexed_async_connection().await.map_err(told)?;
        Ok(held.insert(connection).clone())
    }

    /// Runs the script, which is sent only to a server that does not know it yet.
    async fn run(
        &self,
        key: &str,
        quota: &Quota,
        least: i64,
        most: i64,
    ) -> Result<(i64, i64, i64, i64), StoreError> {
        let mut connection = self.connection().await?;
        let interval = quota.per.as_nanos() as f64 / 1_000.0 / f64::from(quota.rate.max(1));
        let mut call = self.script.prepare_invoke();
        call.key(format!("{}{key}", self.prefix));
        call.arg(format!("{interval:.6}")).arg(quota.most()).arg(least).arg(most);
        let answer: Result<_, RedisError> = call.invoke_async(&mut connection).await;
        answer.map_err(|error| {
            if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                self.distrust();
            }
            told(error)
        })
    }
}

impl SharedStore for RedisStore {
    async fn take(&self, ask: &Ask<'_>) -> Result<Given, StoreError> {
        let (given, remaining, wait, reset) =
            self.run(ask.key, ask.quota, ask.least.into(), ask.most.into()).await?;
        let count = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
        let micros = |number: i64| Duration::from_micros(u64::try_from(number).unwrap_or(0));
        Ok(Given {
            tokens: count(given),
            remaining: count(remaining),
            retry_after: micros(wait),
            reset: micros(reset),
        })
    }

    async fn put_back(&self, key: &str, quota: &Quota, tokens: u32) -> Result<(), StoreError> {
        if tokens == 0 {
            return Ok(());
        }
        self.run(key, quota, 0, -i64::from(tokens)).await.map(|_| ())
    }

    fn distrust(&self) {
        // While somebody is connecting there is none to drop.
        if let Ok(mut held) = self.connection.try_lock() {
            *held = None;
        }
    }
}

fn told(error: RedisError) -> StoreError {
    StoreError(error.to_string())
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
