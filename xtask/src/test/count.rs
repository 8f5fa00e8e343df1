//! How many tests passed, failed and were skipped, as the runners say it: reads the summary line of
//! cargo-nextest and the result lines of `cargo test`.

use std::fmt;
use std::ops::AddAssign;

use crate::terminal;

/// Tests by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    /// What the line of cargo-nextest that begins with `Summary` states. The last one counts: a failed test may
    /// have printed another.
    pub(crate) fn in_nextest(line: &str) -> Option<Self> {
        let line = terminal::plain(line);
        let rest = line.trim().strip_prefix("Summary [")?.split_once(']')?.1;
        let (run, ended) = rest.split_once(" run: ")?;
        let mut count = sum(without_asides(ended).split(','));
        // `3/5 tests run`: the runner was stopped, and two never began.
        if let Some((begun, all)) = run.trim().split(' ').next()?.split_once('/') {
            count.skipped += all.parse::<u64>().ok()?.saturating_sub(begun.parse().ok()?);
        }
        Some(count)
    }

    /// Moves tests that passed only because they could not do their work to the skipped ones.
    pub(crate) fn skip(&mut self, tests: u64) {
        let moved = tests.min(self.passed);
        self.passed -= moved;
        self.skipped += moved;
    }
}

/// Adds up the programs that `cargo test` runs one after the other. A program that dies states no result: that is
/// one failure, since nobody knows how many tests it took along.
#[derive(Debug, Default)]
pub(crate) struct CargoTest {
    count: Count,
    running: bool,
}

impl CargoTest {
    /// Takes in a line of the output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = terminal::plain(line);
        if line
            .strip_prefix("running ")
            .is_some_and(|rest| rest.ends_with(" tests") || rest.ends_with(" test"))
        {
            self.count.failed += u64::from(self.running);
            self.running = true;
        } else if let Some((_, ended)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        {
            self.count += sum(ended.split(';'));
            self.running = false;
        }
    }

    /// The sum, when the output has ended.
    pub(crate) fn end(mut self) -> Count {
        self.count.failed += u64::from(self.running);
        self.count
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Adds up phrases such as ` 3 passed`; the ones that say nothing about an end are left out.
fn sum<'a>(phrases: impl Iterator<Item = &'a str>) -> Count {
    let mut count = Count::default();
    for phrase in phrases {
        let Some((number, word)) = phrase.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" => count.passed += number,
            "failed" | "timed out" | "exec failed" => count.failed += number,
            "skipped" | "ignored" => count.skipped += number,
            _ => {}
        }
    }
    count
}

/// The text without what stands in parentheses.
fn without_asides(text: &str) -> String {
    let mut depth = 0_usize;
    let keep = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(keep).collect::<String>().replace(" ,", ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u64, u64, u64)>) {
        let count = Count::in_nextest(line).map(|count| (count.passed, count.failed, count.skipped));
        assert_eq!(count, expected, "{line}");
    }

    fn check_cargo_test(lines: &[&str], expected: (u64, u64, u64)) {
        let mut runner = CargoTest::default();
        lines.iter().for_each(|line| runner.line(line));
        let count = runner.end();
        assert_eq!((count.passed, count.failed, count.skipped), expected, "{lines:?}");
    }

    #[test]
    fn nextest_is_understood() {
        for (ended, expected) in [
            ("5 tests run: 5 passed, 0 skipped", (5, 0, 0)),
            ("9 tests run: 6 passed (1 slow, 2 flaky), 2 failed, 1 timed out, 3 skipped", (6, 3, 3)),
            ("2 tests run: 1 passed, 1 failed (1 due to being leaky), 0 skipped", (1, 1, 0)),
            ("3/5 tests run: 2 passed, 1 exec failed, 1 skipped", (2, 1, 3)),
            (
                "\x1b[1m1\x1b[0m test run: \x1b[1m1\x1b[0m \x1b[32;1mpassed\x1b[0m, 0 \x1b[33mskipped\x1b[0m",
                (1, 0, 0),
            ),
        ] {
            check(&format!("\x1b[32;1m     Summary\x1b[0m [   1.2s] {ended}"), Some(expected));
        }
        for line in
            ["", "        PASS [   0.005s] mamparo-saga core::tests::x", "Summary [", "Summary [ 1s] x"]
        {
            check(line, None);
        }
    }

    #[test]
    fn cargo_test_is_understood() {
        let good =
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out";
        check_cargo_test(&["running 4 tests", good, "", "running 5 tests", "test x ... ok", bad], (6, 2, 1));
        check_cargo_test(&["running 1 test", "running 4 tests", good, "running 2 tests"], (3, 2, 1));
        check_cargo_test(
            &["", "running out of tests, slowly", "test result: ", "    test result: ok. 3 passed"],
            (0, 0, 0),
        );
    }

    #[test]
    fn a_test_that_lacked_a_program_did_not_pass() {
        let mut count = Count { passed: 2, failed: 0, skipped: 1 };
        count.skip(1);
        assert_eq!(count.to_string(), "1 passed, 0 failed, 2 skipped");
        count.skip(5);
        assert_eq!(count.to_string(), "0 passed, 0 failed, 3 skipped");
    }
}
