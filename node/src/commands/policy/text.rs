//! What a replay has found out, for a person: a row for each while, what all came to, and what each policy did.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use mamparo_context::duration;
use mamparo_policy::replay::{LayerReport, Report, Totals};

use crate::output;

/// Reasons in one row; the most frequent ones.
const REASONS: usize = 3;

/// One column: its head, its cell in each row, and whether it holds numbers.
struct Column {
    head: &'static str,
    cells: Vec<String>,
    number: bool,
}

/// All of it.
pub(super) fn report(report: &Report) -> String {
    let mut text = table(report);
    text.push('\n');
    for layer in &report.layers {
        self::layer(&mut text, layer);
    }
    let Report { total, layers, .. } = report;
    let _ = writeln!(
        text,
        "amplification: {} attempts at the dependency for each of {} calls, through {} stack{}; seed {}",
        report.amplification,
        total.calls,
        layers.len(),
        if layers.len() == 1 { "" } else { "s" },
        report.seed
    );
    let _ = writeln!(text, "the last call ended after {}", millis(report.ended_ms));
    text
}

fn table(report: &Report) -> String {
    let rows: Vec<&Totals> = report.rows.iter().map(|row| &row.totals).chain([&report.total]).collect();
    let from = report.rows.iter().map(|row| whole(row.from_ms)).chain(["total".to_owned()]);
    let mut columns = vec![Column { head: "from", cells: from.collect(), number: false }];
    let mut numbers = |head: &'static str, cell: fn(&Totals) -> String| {
        columns.push(Column { head, cells: rows.iter().map(|totals| cell(totals)).collect(), number: true });
    };
    numbers("calls", |totals| totals.calls.to_string());
    numbers("admitted", |totals| totals.admitted.to_string());
    numbers("retried", |totals| totals.retried.to_string());
    if report.total.hedged > 0 {
        numbers("hedged", |totals| totals.hedged.to_string());
    }
    numbers("ok", |totals| totals.ok.to_string());
    numbers("refused", |totals| totals.refused.to_string());
    numbers("failed", |totals| totals.failed.to_string());
    numbers("timed out", |totals| totals.timed_out.to_string());
    if report.layers.len() > 1 {
        numbers("attempts", |totals| totals.attempts.to_string());
    }
    numbers("p50", |totals| totals.p50_ms.map_or_else(|| "-".into(), millis));
    numbers("p99", |totals| totals.p99_ms.map_or_else(|| "-".into(), millis));
    if report.rows.iter().any(|row| !row.breaker.is_empty()) {
        let cells = report.rows.iter().map(|row| row.breaker.join(" ")).chain([String::new()]).collect();
        columns.push(Column { head: "breaker", cells, number: false });
    }
    let why = rows.iter().map(|totals| reasons(totals)).collect();
    columns.push(Column { head: "refused and failed by", cells: why, number: false });
    render(&columns)
}

/// Numbers end at the right of their column.
fn render(columns: &[Column]) -> String {
    let width = |column: &Column| {
        let widest = column.cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(column.head.len())
    };
    let right = |column: &Column, cell: &str| match column.number {
        true => format!("{cell:>width$}", width = width(column)),
        false => cell.to_owned(),
    };
    let heads: Vec<String> = columns.iter().map(|column| right(column, column.head)).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let cell = |row: usize, column: &Column| {
        right(column, column.cells.get(row).map(String::as_str).unwrap_or_default())
    };
    let rows: Vec<Vec<String>> =
        (0..rows).map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    output::table(&heads, &rows)
}

fn reasons(totals: &Totals) -> String {
    let mut all: Vec<(&String, u64)> =
        totals.refused_by.iter().chain(&totals.failed_by).map(|(why, count)| (why, *count)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = if all.len() > REASONS { ", …" } else { "" };
    let shown: Vec<String> = all.iter().take(REASONS).map(|(why, count)| format!("{why} {count}")).collect();
    format!("{}{more}", shown.join(", "))
}

fn layer(text: &mut String, layer: &LayerReport) {
    let _ = writeln!(
        text,
        "{}: {} calls, {} attempts ({} each)",
        layer.target, layer.calls, layer.attempts, layer.amplification
    );
    let mut line = |name: &str, counts: &[(&str, u64)]| {
        let told: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        if !told.is_empty() {
            let _ = writeln!(text, "  {name:<16} {}", told.join(", "));
        }
    };
    let given_up: BTreeMap<&str, u64> = layer.given_up.iter().map(|(why, count)| (*why, *count)).collect();
    line("given up", &given_up.into_iter().collect::<Vec<_>>());
    line("hedges", &[("won", layer.hedges_won)]);
    line("shadow", &[("would have asked again", layer.shadow_repeats)]);
    line("attempt timeout", &[("over", layer.attempts_timed_out)]);
    for policy in &layer.policies {
        let changes = if policy.policy == "breaker" { layer.breaker_changes } else { 0 };
        line(
            policy.policy,
            &[
                ("let through", policy.admitted),
                ("told to wait", policy.waited),
                ("refused", policy.refused),
                ("would have told to wait", policy.shadow_waited),
                ("would have refused", policy.shadow_refused),
                ("changes", changes),
            ],
        );
    }
}

/// A moment, without digits that say nothing.
pub(super) fn whole(millis: f64) -> String {
    duration::text(Duration::from_secs_f64(millis.max(0.0) / 1_000.0))
}

/// A time that was taken, to three digits or so.
fn millis(millis: f64) -> String {
    match millis {
        _ if millis >= 10_000.0 => format!("{:.1}s", millis / 1_000.0),
        _ if millis >= 100.0 => format!("{millis:.0}ms"),
        _ => format!("{millis:.1}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_as_are_read() {
        let cases =
            [(0.0, "0.0ms"), (15.96, "16.0ms"), (300.4, "300ms"), (9_999.0, "9999ms"), (30_000.0, "30.0s")];
        for (time, text) in cases {
            assert_eq!(millis(time), text);
        }
        assert_eq!((whole(1_500.0), whole(60_000.0)), ("1500ms".into(), "60s".into()));
    }
}
