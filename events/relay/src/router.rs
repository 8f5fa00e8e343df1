//! Which publisher a topic goes to, by its name.

use std::sync::Arc;

use mamparo_broker::{BoxFuture, Message, PublishError};

use crate::Publisher;

/// Sends every topic to the publisher of the first pattern that fits: a whole name, a beginning followed by `*`,
/// or `*` for all. A topic that fits none is refused as unknown, and so its rows are parked in the end.
///
/// Messages for several publishers in one call are not accepted all or none; a relay never sends such.
#[derive(Default)]
pub struct Router {
    routes: Vec<(String, Arc<dyn Publisher>)>,
}

impl Router {
    /// Knows no topic yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same router with one more pattern.
    #[must_use]
    pub fn route(mut self, pattern: &str, to: Arc<dyn Publisher>) -> Self {
        self.routes.push((pattern.to_owned(), to));
        self
    }

    fn find(&self, topic: &str) -> Option<usize> {
        self.routes.iter().position(|(pattern, _)| fits(pattern, topic))
    }
}

fn fits(pattern: &str, topic: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == topic, |beginning| topic.starts_with(beginning))
}

impl Publisher for Router {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            let mut parts: Vec<(usize, Vec<Message>)> = Vec::new();
            for message in messages {
                let to = self
                    .find(&message.topic)
                    .ok_or_else(|| PublishError::Unknown(message.topic.to_string()))?;
                match parts.last_mut() {
                    Some((last, part)) if *last == to => part.push(message),
                    _ => parts.push((to, vec![message])),
                }
            }
            for (to, part) in parts {
                self.routes[to].1.publish(part).await?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        for (pattern, topic, expected) in [
            ("orders.created", "orders.created", true),
            ("orders.created", "orders.created.v2", false),
            ("orders.*", "orders.created", true),
            ("orders.*", "payments.created", false),
            ("*", "anything", true),
        ] {
            assert_eq!(fits(pattern, topic), expected, "{pattern} {topic}");
        }
    }
}
