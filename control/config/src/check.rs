//! From text to a checked [`Config`], or to everything that is wrong with it.

mod applications;
mod gateway;
mod listeners;
mod services;
mod topics;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{CardProvider, Config, LogFormat, LogOptions, Role, Shop, Telemetry};
use crate::document;
use crate::file::{self, File};
use crate::limits::{ENTRIES_MAX, NAME_BYTES_MAX, PROBLEMS_MAX, TOPIC_BYTES_MAX};
use crate::problem::Problem;
use crate::schema::schema;
use crate::suggest::suggestion;
use crate::tree::{Node, Place, Step};

/// Checks the text of a configuration file; `file` is what it is called in the problems.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text and at most
/// [`PROBLEMS_MAX`](crate::limits::PROBLEMS_MAX); never empty.
pub fn check(text: &str, file: &str) -> Result<Config, Vec<Problem>> {
    check_tree(&document::tree(text, file, &schema())?, file)
}

/// Checks a tree that has the shape of the schema.
pub(crate) fn check_tree(tree: &Node, file: &str) -> Result<Config, Vec<Problem>> {
    let raw: File =
        serde_json::from_value(tree.to_json()).map_err(|error| document::whole(file, error.to_string()))?;
    let mut checker = Checker { tree, file, problems: Vec::new() };
    let config = checker.config(raw);
    if checker.problems.is_empty() { Ok(config) } else { Err(document::in_order(checker.problems)) }
}

/// What the checks of all parts share: the tree to find places in, and where problems go.
struct Checker<'c> {
    tree: &'c Node,
    file: &'c str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn config(&mut self, raw: File) -> Config {
        self.amounts(&raw);
        let services = self.services(raw.services);
        let listeners = self.listeners(&raw.listeners, &services);
        let gateway = self.gateway(raw.gateway, &services);
        match (listeners.gateway_tls, &gateway.tls) {
            (Some(_), None) => {
                let help = "say `gateway: {tls: {certificates: [{cert: ..., key: ...}]}}`".to_owned();
                let steps = [Step::Key("listeners"), Step::Key("gateway_tls")];
                self.at(&steps, "there are no certificates for it".into(), Some(help));
            }
            (None, Some(_)) => {
                let help = "say `listeners: {gateway_tls: 127.0.0.1:8443}`".to_owned();
                let message = "nothing listens with these certificates".to_owned();
                self.at(&[Step::Key("gateway"), Step::Key("tls")], message, Some(help));
            }
            _ => {}
        }
        if let (None, [_, ..]) = (listeners.gateway_tls, gateway.passthrough.as_slice()) {
            let message = "nothing listens for TLS, so that nothing could be passed on".to_owned();
            let help = "say `listeners: {gateway_tls: 127.0.0.1:8443}`".to_owned();
            self.at(&[Step::Key("gateway"), Step::Key("passthrough")], message, Some(help));
        }
        let topics = self.topics(raw.topics);
        let applications = self.applications(raw.applications, &services);
        Config {
            data: raw.data.map_or_else(|| PathBuf::from("./.mamparo"), PathBuf::from),
            roles: self.roles(raw.roles),
            listeners,
            log: log(raw.log),
            telemetry: self.telemetry(&raw.telemetry),
            gateway,
            services,
            topics,
            applications,
            shop: self.shop(&raw.shop),
        }
    }

    fn amounts(&mut self, raw: &File) {
        for (what, count) in [
            ("services", raw.services.len()),
            ("topics", raw.topics.len()),
            ("applications", raw.applications.len()),
        ] {
            if count > ENTRIES_MAX {
                self.at(&[Step::Key(what)], format!("{count} {what}, at most {ENTRIES_MAX} are read"), None);
            }
        }
        if raw.data.as_deref() == Some("") {
            self.at(&[Step::Key("data")], "a folder has a name".into(), Some("such as ./.mamparo".into()));
        }
    }

    fn roles(&mut self, roles: Option<Vec<file::Role>>) -> std::collections::BTreeSet<Role> {
        let Some(roles) = roles else { return Role::ALL.into() };
        if roles.is_empty() {
            let help = "leave `roles` out to have all, or name one".to_owned();
            self.at(&[Step::Key("roles")], "a machine without a role does nothing".into(), Some(help));
        }
        let checked = |role| match role {
            file::Role::Gateway => Role::Gateway,
            file::Role::Hub => Role::Hub,
        };
        roles.into_iter().map(checked).collect()
    }

    fn telemetry(&mut self, raw: &file::Telemetry) -> Telemetry {
        let otlp_endpoint = raw.otlp_endpoint.as_deref().and_then(Telemetry::endpoint);
        if let (Some(text), None) = (&raw.otlp_endpoint, &otlp_endpoint) {
            let message = format!("`{text}` is not the base URL of a collector");
            let help =
                "such as http://127.0.0.1:4318; spans are not sent through TLS, so let a collector on this \
                        machine hand them on"
                    .to_owned();
            self.at(&[Step::Key("telemetry"), Step::Key("otlp_endpoint")], message, Some(help));
        }
        Telemetry { otlp_endpoint, sample: raw.sample.unwrap_or(1.0) }
    }

    fn shop(&mut self, raw: &file::Shop) -> Shop {
        let card_policies = raw.card_policies.unwrap_or(true);
        let raw = &raw.card_provider;
        let (error_percent, timeout_percent) =
            (raw.error_percent.unwrap_or(0), raw.timeout_percent.unwrap_or(0));
        if error_percent.saturating_add(timeout_percent) > 100 {
            let message = "errors and timeouts together are more than 100 percent".to_owned();
            self.at(
                &[Step::Key("shop"), Step::Key("card_provider"), Step::Key("timeout_percent")],
                message,
                None,
            );
        }
        let latency = raw.latency.map_or(Duration::from_millis(5), |span| span.0);
        Shop {
            card_provider: CardProvider {
                latency,
                error_percent,
                timeout_percent,
                seed: raw.seed.unwrap_or(1),
            },
            card_policies,
        }
    }

    /// A problem at the value that `steps` lead to.
    fn at(&mut self, steps: &[Step<'_>], message: String, suggestion: Option<String>) {
        let place = self.tree.at(steps).map_or(Place::default(), |node| node.place);
        self.add(place, path(steps), message, suggestion);
    }

    /// A problem at `field`, a path such as `certificates[0].hosts[1]`, below what `steps` lead to.
    fn at_field(&mut self, steps: &[Step<'_>], field: &str, message: String, suggestion: Option<String>) {
        let mut all = steps.to_vec();
        for part in field.split('.') {
            let mut indices = part.split('[');
            all.extend(indices.next().filter(|key| !key.is_empty()).map(Step::Key));
            all.extend(indices.filter_map(|index| index.trim_end_matches(']').parse().ok().map(Step::Index)));
        }
        // What was left out has no place: then that of what it was left out of.
        while all.len() > steps.len() && self.tree.at(&all).is_none() {
            all.pop();
        }
        self.at(&all, message, suggestion);
    }

    /// A problem at the key of a member of the mapping that `steps` lead to.
    fn at_key(&mut self, steps: &[Step<'_>], key: &str, message: String, suggestion: Option<String>) {
        let place =
            self.tree.at(steps).and_then(|node| node.key(key)).map_or(Place::default(), |key| key.place);
        let mut all = steps.to_vec();
        all.push(Step::Key(key));
        self.add(place, path(&all), message, suggestion);
    }

    fn add(&mut self, place: Place, path: String, message: String, suggestion: Option<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            let (file, line, column) = (self.file.to_owned(), place.line.max(1), place.column.max(1));
            self.problems.push(Problem { file, line, column, path, message, suggestion });
        }
    }

    /// A name that becomes a host name and a folder.
    fn name(&mut self, part: &str, name: &str) {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let holds = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.chars().all(|c| edge(c) || c == '-')
            && name.starts_with(edge)
            && name.ends_with(edge);
        if !holds {
            let help = format!("a to z, 0 to 9 and - between them, at most {NAME_BYTES_MAX}");
            self.at_key(&[Step::Key(part)], name, format!("`{name}` is not a name"), Some(help));
        }
    }

    /// A name that the hub takes.
    fn topic_name(&mut self, name: &str) {
        let holds = !name.is_empty()
            && name.len() <= TOPIC_BYTES_MAX
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !holds {
            let help = format!("letters, digits, and . - _, at most {TOPIC_BYTES_MAX}");
            self.at_key(&[Step::Key("topics")], name, format!("`{name}` is not a name"), Some(help));
        }
    }

    /// A reference by name to a member of `part`.
    fn refers<T>(&mut self, steps: &[Step<'_>], what: &str, name: &str, known: &BTreeMap<String, T>) {
        if !known.contains_key(name) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let help = suggestion(name, &format!("{what}s that are there"), &names);
            self.at(steps, format!("there is no {what} `{name}`"), Some(help));
        }
    }
}

fn log(raw: file::Log) -> LogOptions {
    let format = match raw.format {
        None | Some(file::LogFormat::Auto) => LogFormat::Auto,
        Some(file::LogFormat::Text) => LogFormat::Text,
        Some(file::LogFormat::Json) => LogFormat::Json,
    };
    LogOptions { level: raw.level.unwrap_or_else(|| "info".into()), format }
}

fn path(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
