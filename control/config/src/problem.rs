//! One thing that is wrong with a file, with the place where a person finds it.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
    /// The keys that lead there, such as `gateway.routes[0].service`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that is known.
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// The line of `text` that the problem stands in, with a mark under the place; `None` when there is no such
    /// line.
    pub fn excerpt(&self, text: &str) -> Option<String> {
        let index = usize::try_from(self.line).ok()?.checked_sub(1)?;
        let line = text.lines().nth(index)?;
        let before = usize::try_from(self.column).ok()?.saturating_sub(1);
        let pad: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        Some(format!("{margin} |\n{number} | {line}\n{margin} | {pad}^"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_points_at_its_place() {
        let problem = Problem {
            file: "m.yaml".into(),
            line: 2,
            column: 3,
            path: "a.b".into(),
            message: "unknown key `b`".into(),
            suggestion: Some("did you mean `c`?".into()),
        };
        assert_eq!(problem.to_string(), "m.yaml:2:3: a.b: unknown key `b`; did you mean `c`?");
        assert_eq!(problem.excerpt("a:\n  b: 1\n").unwrap(), "  |\n2 |   b: 1\n  |   ^");
        assert_eq!(problem.excerpt("a:"), None);
    }
}
