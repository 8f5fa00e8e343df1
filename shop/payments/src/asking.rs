//! How the card provider is asked: through policies, so that its bad days do not become ours.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use mamparo_context::{Context, Fault};
use mamparo_policy::breaker::{BreakerConfig, OpenConfig, WindowConfig};
use mamparo_policy::bulkhead::BulkheadConfig;
use mamparo_policy::http::ClassifyHttp;
use mamparo_policy::retry::{BackoffConfig, Repeat, RetryConfig};
use mamparo_policy::stack::{CallError, ClientConfig, InvalidStack, Stack};
use mamparo_policy::timeout::TimeoutConfig;
use mamparo_policy::{Outcome, ToFault};
use mamparo_shop_http::{Answer, Client};

use crate::limits::{CARD_WITHIN, CARDS_AT_ONCE_MAX, PROVIDER_WITHIN};

/// The card provider, behind its policies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Provider {
    client: Client,
    stack: Arc<Stack>,
}

/// Why an attempt has no answer that says something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error(transparent)]
    Call(#[from] mamparo_shop_http::CallError),
    #[error("the provider answered {status}")]
    Answered { status: StatusCode, fault: Fault },
}

impl ToFault for Unanswered {
    fn fault(&self) -> Fault {
        match self {
            Self::Call(error) => error.fault(),
            // It promises that nothing was done, with or without a time to come back at.
            Self::Answered { status: StatusCode::SERVICE_UNAVAILABLE, fault } => {
                Fault { indeterminate: false, ..*fault }
            }
            Self::Answered { fault, .. } => *fault,
        }
    }
}

/// The policies of a day like any other. Everything that is asked of the provider is a question, or is asked under a
/// key: it may be asked again.
pub fn policies() -> ClientConfig {
    let backoff = BackoffConfig { max: Duration::from_secs(1), ..BackoffConfig::default() };
    let open = OpenConfig {
        initial: Duration::from_millis(500),
        max: Duration::from_secs(5),
        ..OpenConfig::default()
    };
    ClientConfig {
        timeout: Some(TimeoutConfig { overall: Some(CARD_WITHIN), ..no_policies_timeout() }),
        retry: Some(RetryConfig {
            repeat: Repeat::Idempotent,
            backoff,
            // A provider that is down says when to come back: the order comes back then, and holds nothing here.
            retry_after_max: Duration::from_millis(500),
            ..RetryConfig::default()
        }),
        bulkhead: Some(BulkheadConfig::of(u32::try_from(CARDS_AT_ONCE_MAX).unwrap_or(u32::MAX))),
        breaker: Some(BreakerConfig {
            window: WindowConfig::Time(Duration::from_secs(10)),
            failure_percent: Some(60.0),
            open,
            ..BreakerConfig::default()
        }),
        ..ClientConfig::default()
    }
}

/// Nothing but the time that one answer may take: what the shop was without policies.
pub fn no_policies() -> ClientConfig {
    ClientConfig { timeout: Some(no_policies_timeout()), ..ClientConfig::default() }
}

fn no_policies_timeout() -> TimeoutConfig {
    TimeoutConfig { overall: None, attempt: Some(PROVIDER_WITHIN), minimum: Duration::from_millis(5) }
}

impl Provider {
    /// The provider that `client` reaches.
    ///
    /// # Errors
    /// `config` is wrong.
    pub(crate) fn new(client: Client, config: ClientConfig) -> Result<Self, InvalidStack> {
        let stack = Stack::client("card-provider").config(config).build()?;
        Ok(Self { client, stack: Arc::new(stack) })
    }

    /// Its policies, to look at.
    pub(crate) const fn stack(&self) -> &Arc<Stack> {
        &self.stack
    }

    /// Asks, and again where that may help. An answer is one that says something: a success, or that the request
    /// itself is not to be had.
    ///
    /// Dropped, it may have taken effect.
    pub(crate) async fn ask(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, CallError<Unanswered>> {
        let classify = ClassifyHttp::default();
        let attempt = |cx: Context| {
            let (method, body, classify) = (method.clone(), body.clone(), &classify);
            async move {
                let answer = self.client.call(&cx, method, path, body, PROVIDER_WITHIN).await?;
                match classify.head(answer.status, &answer.headers) {
                    Outcome::Failure(fault) | Outcome::BackPressure(fault)
                        if !answer.status.is_client_error() || fault.is_transient() =>
                    {
                        Err(Unanswered::Answered { status: answer.status, fault })
                    }
                    _ => Ok(answer),
                }
            }
        };
        self.stack.call(cx, attempt).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sets_of_policies_can_be_built() {
        let client = Client::new("http://127.0.0.1:9").unwrap();
        for config in [policies(), no_policies()] {
            assert!(Provider::new(client.clone(), config).is_ok());
        }
    }

    #[test]
    fn only_503_promises_that_nothing_was_done() {
        let classify = ClassifyHttp::default();
        for (status, indeterminate) in [(503, false), (500, true), (502, true), (504, true)] {
            let status = StatusCode::from_u16(status).unwrap();
            let Outcome::Failure(fault) = classify.head(status, &http::HeaderMap::new()) else {
                panic!("{status} is a failure")
            };
            assert_eq!(
                Unanswered::Answered { status, fault }.fault().indeterminate,
                indeterminate,
                "{status}"
            );
        }
    }
}
