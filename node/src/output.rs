//! What a command says: data to stdout, talk to stderr, colours only where a person looks.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Colours that are told apart on dark and on light ground, without red, which means an error.
const COLOURS: [&str; 6] = ["36", "33", "35", "32", "34", "96"];

/// Whether a person looks at stderr, and has not asked for plain text.
pub(crate) fn stderr_is_coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` in the colour of number `number`, if `coloured`.
pub(crate) fn colour(coloured: bool, number: usize, text: &str) -> String {
    if coloured { format!("\x1b[{}m{text}\x1b[0m", COLOURS[number % COLOURS.len()]) } else { text.to_owned() }
}

/// Data for whoever reads stdout. One who stopped reading (`| head`) is no failure.
pub(crate) fn data(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// One JSON value for whoever reads stdout.
pub(crate) fn json(value: &Value) {
    data(&format!("{value:#}\n"));
}

/// Talk for a person.
pub(crate) fn talk(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A failure for a person.
pub(crate) fn failure(failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    let coloured = stderr_is_coloured();
    let page = failure.page.map(|page| format!("[{page}]")).unwrap_or_default();
    let head = format!("error{page}:");
    let head = if coloured { format!("\x1b[1;31m{head}\x1b[0m") } else { head };
    talk(&format!("{head} {}", failure.message));
    if let Some(remedy) = &failure.remedy {
        talk(&format!("  what to do: {remedy}"));
    }
    if let Some(page) = failure.page {
        talk(&format!("  more: mamparo explain {page}"));
    }
}

/// A table for a person: columns as wide as they must be, cells cut at `CELL_CHARS_MAX`.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    const CELL_CHARS_MAX: usize = 60;
    let cut = |cell: &str| {
        let plain: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if plain.chars().count() <= CELL_CHARS_MAX {
            return plain;
        }
        plain.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(heads.get(column).map_or(0, |head| head.len()))
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(heads.to_vec());
    rows.iter().for_each(|row| text.push_str(&line(row.iter().map(String::as_str).collect())));
    text
}

/// A field of a JSON object as a cell of a table.
pub(crate) fn cell(row: &Value, field: &str) -> String {
    match &row[field] {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_no_cell_breaks_it() {
        let rows = vec![vec!["orders".into(), "7".into()], vec!["a\nb".into(), "x".repeat(61)]];
        let text = table(&["service", "n"], &rows);
        assert_eq!(text, format!("service  n\norders   7\na b      {}…\n", "x".repeat(59)));
    }
}
