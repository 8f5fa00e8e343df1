//! A request under a key takes effect once: its answer is stored in the transaction of its effect, and given again
//! to whoever repeats it. Requests that run side by side under one key meet at the key's row.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use mamparo_context::{Context, IdempotencyKey};
use mamparo_ledger::{Ledger, Migration, Migrations, Result, Tx, params};

use crate::Problem;
use crate::limits::{KEYS_FORGOTTEN_MAX, KEYS_KEPT};

/// The table of keys.
pub const MIGRATIONS: Migrations = Migrations {
    component: "shop-http",
    steps: &[Migration {
        name: "idempotency keys",
        sql: "CREATE TABLE idempotency (
                  key      TEXT    PRIMARY KEY,
                  request  TEXT    NOT NULL,
                  status   INTEGER NOT NULL,
                  location TEXT,
                  body     TEXT    NOT NULL,
                  at       INTEGER NOT NULL
              ) WITHOUT ROWID;
              CREATE INDEX idempotency_at ON idempotency (at);",
    }],
};

/// An answer that is stored under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its status.
    pub status: u16,
    /// Where to look afterwards.
    pub location: Option<String>,
    /// Its body, in JSON.
    pub body: String,
}

/// The key was used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this idempotency-key was used for another request")]
pub struct KeyTakenByAnother;

impl From<KeyTakenByAnother> for Problem {
    fn from(error: KeyTakenByAnother) -> Self {
        Self::impossible("idempotency-key-reused", error.to_string())
    }
}

impl IntoResponse for Stored {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(location) = self.location.and_then(|location| location.parse().ok()) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// The answer that is stored under `key`; `None` when the request is new.
///
/// # Errors
/// A [`Problem`] (422) when the key was used for another request.
pub async fn remembered(tx: &mut Tx<'_>, key: &IdempotencyKey, request: &str) -> Result<Option<Stored>> {
    let sql = "SELECT request, status, location, body FROM idempotency WHERE key = ?1";
    let Some(row) = tx.query_one(sql, params![key.as_str()]).await? else { return Ok(None) };
    if row.get::<String>(0)? != request {
        return Err(Problem::from(KeyTakenByAnother).into());
    }
    let status = row.get::<u32>(1)?;
    let status = u16::try_from(status).unwrap_or(200);
    Ok(Some(Stored { status, location: row.get(2)?, body: row.get(3)? }))
}

/// Stores the answer of a request that was new.
///
/// # Errors
/// The ledger cannot write.
pub async fn remember(tx: &mut Tx<'_>, key: &IdempotencyKey, request: &str, answer: &Stored) -> Result<()> {
    let now = tx.clock().wall();
    let sql =
        "INSERT INTO idempotency (key, request, status, location, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let status = u32::from(answer.status);
    tx.sql(sql, params![key.as_str(), request, status, answer.location, answer.body, now]).await?;
    Ok(())
}

/// Forgets keys older than [`KEYS_KEPT`], a bounded number of them; answers with how many.
///
/// # Errors
/// The ledger cannot write.
pub async fn forget_old(ledger: &Ledger) -> Result<u64> {
    ledger
        .transact(&Context::root(), async |tx| {
            let before = tx.clock().wall() - KEYS_KEPT;
            let sql = "DELETE FROM idempotency WHERE key IN
                       (SELECT key FROM idempotency WHERE at < ?1 ORDER BY at LIMIT ?2)";
            tx.sql(sql, params![before, KEYS_FORGOTTEN_MAX]).await
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use mamparo_context::{Clock, Random};
    use mamparo_ledger_sqlite::Options;

    use super::*;

    async fn ask(ledger: &Ledger, request: &str, effects: &Arc<AtomicU32>) -> Result<Stored> {
        let (key, request, effects) =
            ("k".parse::<IdempotencyKey>().unwrap(), request.to_owned(), Arc::clone(effects));
        ledger
            .transact(&Context::root(), async move |tx| {
                if let Some(stored) = remembered(tx, &key, &request).await? {
                    return Ok(stored);
                }
                let number = effects.fetch_add(1, Ordering::SeqCst);
                let answer =
                    Stored { status: 202, location: Some("/orders/1".into()), body: number.to_string() };
                remember(tx, &key, &request, &answer).await?;
                Ok(answer)
            })
            .await
    }

    #[tokio::test]
    async fn a_key_takes_effect_once_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, manual) = Clock::manual();
        let ledger = Options::new(folder.path().join("l.db")).clock(clock, Random::seeded(1)).open().unwrap();
        ledger.migrate(MIGRATIONS).await.unwrap();
        let effects = Arc::new(AtomicU32::new(0));
        let asked: Vec<_> = (0..16)
            .map(|_| {
                let (ledger, effects) = (ledger.clone(), Arc::clone(&effects));
                tokio::spawn(async move { ask(&ledger, "a", &effects).await })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().unwrap().body, "0");
        }
        let other = Problem::from(ask(&ledger, "b", &effects).await.unwrap_err());
        assert_eq!((other.status().as_u16(), other.code()), (422, "idempotency-key-reused"));
        assert_eq!(forget_old(&ledger).await.unwrap(), 0);
        manual.advance(KEYS_KEPT + std::time::Duration::from_secs(1));
        assert_eq!(forget_old(&ledger).await.unwrap(), 1);
        assert_eq!(ask(&ledger, "b", &effects).await.unwrap().body, "1");
    }
}
