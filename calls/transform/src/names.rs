//! Which headers no rule may touch: those that say how a message is framed, where it goes, and what belongs to one
//! connection only (RFC 9110, 7.6.1), and those in which the proxy itself speaks.

use http::HeaderName;

use crate::config::InvalidConfig;

const CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a header cannot be changed, if it cannot.
pub(crate) fn untouchable(name: &HeaderName) -> Option<&'static str> {
    if CONNECTION.contains(&name.as_str()) {
        Some("belongs to the connection or to the framing of the message, and cannot be changed")
    } else if name.as_str().starts_with("mamparo-") {
        Some("is written by the proxy alone, and cannot be changed")
    } else {
        None
    }
}

/// Reads a name.
pub(crate) fn parse(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| "is not the name of a header".to_owned())
}

/// Reads a name that a rule may change.
pub(crate) fn read(name: &str) -> Result<HeaderName, String> {
    let name = parse(name)?;
    match untouchable(&name) {
        Some(why) => Err(why.to_owned()),
        None => Ok(name),
    }
}

/// Reads the names of a list at `field`, each of them once.
pub(crate) fn read_list(field: &str, names: &[String]) -> Result<Vec<HeaderName>, InvalidConfig> {
    let mut read_names = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let wrong =
            |problem: String| InvalidConfig::new(format!("{field}[{at}]"), format!("`{name}` {problem}"));
        let name = read(name).map_err(wrong)?;
        if read_names.contains(&name) {
            return Err(wrong("is named twice".to_owned()));
        }
        read_names.push(name);
    }
    Ok(read_names)
}
