//! The shop, as a client sees it: calls that are repeated under the same key while it cannot be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use mamparo_context::{Clock, Context};
use mamparo_shop_http::{Answer, Client, InvalidBase};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::{CALL_WITHIN, PATIENCE, PAUSE_MAX, PAUSE_MIN};

/// A client of the shop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shop {
    client: Client,
    clock: Clock,
    repeated: Arc<AtomicU64>,
}

/// Why the shop gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShopError {
    /// It could not be reached, or was busy, for too long.
    #[error("{path}: given up after {PATIENCE:?}: {why}")]
    GaveUp {
        /// What was asked.
        path: String,
        /// What the last try came to.
        why: String,
    },
    /// It refused.
    #[error("{path}: {status} {body}")]
    Refused {
        /// What was asked.
        path: String,
        /// With which status.
        status: u16,
        /// In which words.
        body: String,
    },
    /// The answer is not what was expected.
    #[error("{path}: {why}")]
    Strange {
        /// What was asked.
        path: String,
        /// What is strange about it.
        why: String,
    },
}

impl Shop {
    /// The shop at `base`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// `base` is no such URL.
    pub fn new(base: &str) -> Result<Self, InvalidBase> {
        Ok(Self { client: Client::new(base)?, clock: Clock::system(), repeated: Arc::default() })
    }

    /// How many calls had to be repeated.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Asks for something, until it is answered.
    ///
    /// # Errors
    /// [`ShopError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ShopError> {
        self.ask(Method::GET, path, None, Context::root()).await
    }

    /// Sends something under a key, until it is answered.
    ///
    /// # Errors
    /// [`ShopError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<T, ShopError> {
        let strange = |_| ShopError::Strange { path: path.to_owned(), why: format!("`{key}` is no key") };
        let cx = Context::root().with_idempotency_key(key.parse().map_err(strange)?);
        self.ask(Method::POST, path, Some(Bytes::from(body.to_string())), cx).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        cx: Context,
    ) -> Result<T, ShopError> {
        let began = self.clock.now();
        let mut pause = PAUSE_MIN;
        loop {
            let called = self.client.call(&cx, method.clone(), path, body.clone(), CALL_WITHIN).await;
            let why = match called {
                Ok(answer) if is_worth_repeating(answer.status) => answer.status.to_string(),
                Ok(answer) => return read(path, &answer),
                Err(error) => error.to_string(),
            };
            if self.clock.now().duration_since(began) >= PATIENCE {
                return Err(ShopError::GaveUp { path: path.to_owned(), why });
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = longer(pause);
        }
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(PAUSE_MAX)
}

/// Every POST has a key and every GET is harmless, so whatever may pass is asked again.
fn is_worth_repeating(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn read<T: DeserializeOwned>(path: &str, answer: &Answer) -> Result<T, ShopError> {
    let path = path.to_owned();
    if !answer.status.is_success() {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(ShopError::Refused { path, status: answer.status.as_u16(), body });
    }
    answer.json().map_err(|error| ShopError::Strange { path, why: error.to_string() })
}
