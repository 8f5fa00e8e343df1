//! Rules for headers: renamed, removed, set and added, in this order, on requests and on answers; and the headers
//! by which an answer asks a browser for care.

mod config;
mod security;

use std::collections::BTreeMap;

use http::header::{Entry, HeaderMap, HeaderName};

use crate::Variables;
use crate::config::InvalidConfig;
use crate::limits::HEADER_RULES_MAX;
use crate::names;
use crate::variables::Value;

pub use config::{FrameOptions, HeaderRules, HeadersConfig, HstsConfig, ReferrerPolicy, SecurityConfig};
use security::Security;

/// The rules of a route, read once.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    request: Rules,
    answer: Rules,
    security: Security,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    rename: Vec<(HeaderName, HeaderName)>,
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
    add: Vec<(HeaderName, Value)>,
}

impl Headers {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first value that is wrong, by its path.
    pub fn new(config: &HeadersConfig) -> Result<Self, InvalidConfig> {
        Ok(Self {
            request: Rules::read(&config.request).map_err(|error| error.below("request"))?,
            answer: Rules::read(&config.answer).map_err(|error| error.below("answer"))?,
            security: Security::read(&config.security).map_err(|error| error.below("security"))?,
        })
    }

    /// Changes the headers of a request. Costs nothing where there is no rule; a value without variables costs a
    /// reference.
    pub fn request(&self, headers: &mut HeaderMap, variables: &dyn Variables) {
        self.request.apply(headers, variables);
    }

    /// Changes the headers of an answer.
    pub fn answer(&self, headers: &mut HeaderMap, variables: &dyn Variables) {
        self.answer.apply(headers, variables);
        self.security.apply(headers, variables);
    }

    /// The captures of a path that the rules speak of.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        [&self.request, &self.answer]
            .into_iter()
            .flat_map(|rules| rules.set.iter().chain(&rules.add))
            .flat_map(|(_, value)| value.captures())
    }
}

impl Rules {
    fn read(rules: &HeaderRules) -> Result<Self, InvalidConfig> {
        let lengths = [rules.rename.len(), rules.remove.len(), rules.set.len(), rules.add.len()];
        for (field, length) in ["rename", "remove", "set", "add"].into_iter().zip(lengths) {
            let problem = format!("at most {HEADER_RULES_MAX}");
            InvalidConfig::unless(length <= HEADER_RULES_MAX, field, &problem)?;
        }
        let mut rename = Vec::with_capacity(rules.rename.len());
        for (from, to) in named("rename", &rules.rename)? {
            let to = names::read(to).map_err(|problem| {
                InvalidConfig::new(format!("rename.{from}"), format!("`{to}` {problem}"))
            })?;
            rename.push((from, to));
        }
        Ok(Self {
            rename,
            remove: names::read_list("remove", &rules.remove)?,
            set: valued("set", &rules.set)?,
            add: valued("add", &rules.add)?,
        })
    }

    fn apply(&self, headers: &mut HeaderMap, variables: &dyn Variables) {
        for (from, to) in &self.rename {
            rename(headers, from, to);
        }
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            // What came under this name goes even where nothing takes its place: others may believe it.
            match value.write(variables) {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = value.write(variables) {
                headers.append(name, value);
            }
        }
    }
}

/// All values of `from` become values of `to`, in place of those that it had.
fn rename(headers: &mut HeaderMap, from: &HeaderName, to: &HeaderName) {
    if from == to || !headers.contains_key(from) {
        return;
    }
    let Entry::Occupied(entry) = headers.entry(from) else { return };
    let (_, values) = entry.remove_entry_mult();
    let values: Vec<_> = values.collect();
    headers.remove(to);
    for value in values {
        headers.append(to, value);
    }
}

/// The entries of a map by the names of headers, each of them once, however it is written.
fn named<'a>(
    field: &str,
    entries: &'a BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, &'a str)>, InvalidConfig> {
    let mut named: Vec<(HeaderName, &str)> = Vec::with_capacity(entries.len());
    for (key, text) in entries {
        let wrong = |problem: String| InvalidConfig::new(format!("{field}.{key}"), problem);
        let name = names::read(key).map_err(wrong)?;
        if named.iter().any(|(other, _)| *other == name) {
            return Err(wrong("is named twice".to_owned()));
        }
        named.push((name, text));
    }
    Ok(named)
}

fn valued(
    field: &str,
    entries: &BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, Value)>, InvalidConfig> {
    let read = |(name, text): (HeaderName, &str)| match Value::read(text) {
        Ok(value) => Ok((name, value)),
        Err(problem) => Err(InvalidConfig::new(format!("{field}.{name}"), problem)),
    };
    named(field, entries)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
