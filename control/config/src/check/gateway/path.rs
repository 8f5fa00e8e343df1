//! How a path of a route is written: as requests are compared with it, in its normal form.

use crate::limits::TEMPLATE_SEGMENTS_MAX;

/// What is wrong with a path, and what to write.
pub(super) struct Wrong(pub(super) String, pub(super) Option<String>);

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into(), None)
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.1 = Some(help.into());
        self
    }
}

/// Whether requests are compared with such a path.
pub(super) fn check(raw: &str) -> Result<(), Wrong> {
    if raw.contains(['{', '}']) {
        let bad = if raw.contains('{') { '{' } else { '}' };
        return Err(
            Wrong::new(format!("a path has no `{bad}`")).help("say `template` for a path with variables")
        );
    }
    form(raw)
}

/// Whether it is a path with variables.
pub(super) fn check_template(raw: &str) -> Result<(), Wrong> {
    form(raw)?;
    let mut names: Vec<&str> = Vec::new();
    let segments = raw.split('/').skip(1);
    if segments.clone().count() > TEMPLATE_SEGMENTS_MAX {
        return Err(Wrong::new(format!("a template has at most {TEMPLATE_SEGMENTS_MAX} segments")));
    }
    for segment in segments {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if !is_word(name) => {
                return Err(
                    Wrong::new(format!("`{segment}` is not a variable")).help("a variable is a word: {id}")
                );
            }
            Some(name) if names.contains(&name) => {
                return Err(Wrong::new(format!("the variable `{name}` stands here twice")));
            }
            Some(name) => names.push(name),
            None if segment.contains(['{', '}']) => {
                let help = "say `regex` for parts of a segment";
                return Err(Wrong::new(format!("a variable is a whole segment, not `{segment}`")).help(help));
            }
            None => {}
        }
    }
    if names.is_empty() {
        return Err(
            Wrong::new("a template has variables").help("say `path` and `exact: true` for a path without")
        );
    }
    Ok(())
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The names of the variables in a text.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn form(raw: &str) -> Result<(), Wrong> {
    if !raw.starts_with('/') {
        return Err(Wrong::new("a path begins with /").help(format!("did you mean `/{raw}`?")));
    }
    if let Some(bad) = raw.chars().find(|c| matches!(c, '?' | '#' | '*' | ' ' | '\\') || c.is_control()) {
        let help = match bad {
            '?' => "say `query` for what stands behind it",
            _ => "a route takes its path and everything below it",
        };
        return Err(Wrong::new(format!("a path has no `{}`", bad.escape_default())).help(help));
    }
    if raw.contains("//") || raw.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Wrong::new("a path has no empty segments, and none that are . or .."));
    }
    raw.match_indices('%').try_for_each(|(at, _)| escape(&raw[at + 1..]))
}

/// Whether what stands behind a `%` is an escape in its normal form.
fn escape(rest: &str) -> Result<(), Wrong> {
    let Some(digits) = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    else {
        return Err(Wrong::new("a `%` begins an escape of two digits").help("such as %2F; `%` itself is %25"));
    };
    let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if plain {
        let help = format!("write `{}`", char::from(byte));
        return Err(Wrong::new(format!("`%{digits}` need not be escaped")).help(help));
    }
    if byte < 0x20 || byte == 0x7f || byte == b'\\' {
        return Err(Wrong::new(format!("no request has `%{digits}` in its path")));
    }
    if digits.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let help = format!("write `%{}`", digits.to_ascii_uppercase());
        return Err(Wrong::new("escapes are in upper case").help(help));
    }
    Ok(())
}
