//! Sizes that are reported and never gated: how long files and functions are.

use std::fmt::Write;

use crate::source::{self, Function};
use crate::tree::Tree;

/// How many of the longest are shown.
const SHOWN: usize = 8;

/// The report, as text that ends with a newline; empty when there is no product file.
pub(crate) fn of(tree: &Tree) -> String {
    let mut files: Vec<(usize, &str)> = Vec::new();
    let mut functions: Vec<(Function, &str)> = Vec::new();
    for file in tree.rust().filter(|file| !file.is_test()) {
        let lines = source::product_lines(&file.text);
        files.push((lines, &file.path));
        let code = source::code_only(&file.text);
        let product = source::functions(&code).into_iter().filter(|function| function.line <= lines);
        functions.extend(product.map(|function| (function, file.path.as_str())));
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    functions.sort_unstable_by(|a, b| b.0.lines.cmp(&a.0.lines).then(a.1.cmp(b.1)));
    write(&files, &functions).unwrap_or_default()
}

/// Both lists are sorted, the longest first.
fn write(files: &[(usize, &str)], functions: &[(Function, &str)]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    if files.is_empty() {
        return Ok(out);
    }
    let lengths: Vec<usize> = files.iter().map(|file| file.0).collect();
    let lines: usize = lengths.iter().sum();
    let (median, p90) = (rank(&lengths, 50), rank(&lengths, 90));
    writeln!(
        out,
        "{} files of product, {lines} lines: median {median}, p90 {p90}; the longest:",
        files.len()
    )?;
    for (lines, path) in files.iter().take(SHOWN) {
        writeln!(out, "  {lines:>5}  {path}")?;
    }
    let lengths: Vec<usize> = functions.iter().map(|function| function.0.lines).collect();
    if !lengths.is_empty() {
        let (median, p90) = (rank(&lengths, 50), rank(&lengths, 90));
        writeln!(out, "{} functions (roughly): median {median}, p90 {p90}; the longest:", functions.len())?;
    }
    for (function, path) in functions.iter().take(SHOWN) {
        writeln!(out, "  {:>5}  {path}:{} {}", function.lines, function.line, function.name)?;
    }
    Ok(out)
}

/// The value that `percent` of the values do not exceed; the values are sorted, the largest first.
fn rank(descending: &[usize], percent: usize) -> usize {
    let above = descending.len() * (100 - percent) / 100;
    descending.get(above).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_taken_from_the_top() {
        assert_eq!((rank(&[9, 5, 1], 50), rank(&[9, 5, 1], 90), rank(&[], 50)), (5, 9, 0));
    }

    #[test]
    fn the_longest_come_first_and_tests_are_left_out() {
        let tree = Tree::of(&[
            (
                "a/src/long.rs",
                "//! x\nfn a() {\n    b\n}\n#[cfg(test)]\nmod tests {\n    fn t() {\n\n\n\n\n    }\n}\n",
            ),
            ("a/src/short.rs", "//! x\n"),
            ("a/tests/it.rs", "fn x() {\n\n\n\n\n\n}\n"),
        ]);
        let report = of(&tree);
        let lines: Vec<&str> = report.lines().map(str::trim).collect();
        assert_eq!(lines[0], "2 files of product, 5 lines: median 1, p90 4; the longest:");
        assert_eq!((lines[1], lines[2]), ("4  a/src/long.rs", "1  a/src/short.rs"));
        assert_eq!(lines[4..], ["3  a/src/long.rs:2 a"]);
    }
}
