//! Logs: text on a terminal, JSON otherwise, to stderr; the level by the environment, then by the configuration.

use std::io::{self, IsTerminal, Write as _};
use std::sync::OnceLock;

use mamparo_config::{LogFormat, LogOptions};
use tracing_subscriber::EnvFilter;

use crate::output;

/// The filter of the logs; it goes before the configuration.
const FILTER_VARIABLE: &str = "MAMPARO_LOG";
/// The form that a supervisor with a terminal asks its children for, whose stderr is a pipe.
pub(crate) const FORMAT_VARIABLE: &str = "MAMPARO_LOG_FORMAT";

const TEXT: &str = "text";
const COLOURED: &str = "coloured";
const JSON: &str = "json";

type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// Puts another filter in place of the one of the installed log.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// Installs the log of this process. A filter that cannot be read is named, and `info` is taken.
pub(crate) fn install(options: &LogOptions) {
    let written = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| options.level.clone());
    let (filter, bad) = match EnvFilter::builder().parse(&written) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    // A log that nobody takes any more is no reason to fail: what would be said about it goes the same way, and panics.
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    // A second installation is a mistake of the program, and the first log says the same.
    let _ = if is_text(options.format) {
        let logs = logs.with_ansi(is_coloured()).with_filter_reloading();
        let handle = logs.reload_handle();
        let _ =
            SET_FILTER.set(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())));
        logs.try_init()
    } else {
        let logs = logs.json().flatten_event(true).with_current_span(false).with_span_list(false);
        let logs = logs.with_filter_reloading();
        let handle = logs.reload_handle();
        let _ =
            SET_FILTER.set(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())));
        logs.try_init()
    };
    if let Some(error) = bad {
        tracing::warn!(filter = %written, %error, "the log filter cannot be read, `info` is taken");
    }
}

/// Logs by another level or filter from now on.
///
/// # Errors
/// The text is no filter: why. The log stays as it is.
pub(crate) fn set(level: &str) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(level).map_err(|error| error.to_string())?;
    let set = SET_FILTER.get().ok_or("nothing is logged here")?;
    set(filter)
}

/// Logs by the level that another version of the file names, unless the environment says otherwise.
pub(crate) fn set_by_file(level: &str) {
    if std::env::var_os(FILTER_VARIABLE).is_some() {
        return;
    }
    match set(level) {
        Ok(()) => tracing::info!(level, "the level of the log has changed"),
        Err(error) => tracing::warn!(level, error, "the log filter cannot be read, the log stays as it is"),
    }
}

/// What a supervisor asks its children for: they cannot see the terminal that it writes to.
pub(crate) fn format_of_children() -> &'static str {
    match (io::stderr().is_terminal(), output::stderr_is_coloured()) {
        (true, true) => COLOURED,
        (true, false) => TEXT,
        (false, _) => JSON,
    }
}

fn is_coloured() -> bool {
    output::stderr_is_coloured() || std::env::var(FORMAT_VARIABLE).as_deref() == Ok(COLOURED)
}

/// Whether the log of this process is JSON.
pub(crate) fn is_json(format: LogFormat) -> bool {
    !is_text(format)
}

/// Writes whole lines to the log as they are. That nobody takes them is no failure.
pub(crate) fn write(lines: &[u8]) {
    let _ = io::stderr().write_all(lines);
}

fn is_text(format: LogFormat) -> bool {
    match (format, std::env::var(FORMAT_VARIABLE).as_deref()) {
        (LogFormat::Text, _) | (LogFormat::Auto, Ok(TEXT | COLOURED)) => true,
        (LogFormat::Json, _) | (LogFormat::Auto, Ok(JSON)) => false,
        (LogFormat::Auto, _) => io::stderr().is_terminal(),
    }
}
