//! A report as a person reads it: as wide and as long as the screen is.

use std::fmt::Write;

use super::report::Report;

/// The width of a screen of which nobody says how wide it is.
const WIDTH: usize = 100;
/// The least that is shown of a name.
const NAME_MIN: usize = 12;
/// What the columns beside the name take.
const COLUMNS_WIDTH: usize = 51;
/// Lines that are no rows: the head, the heads of two tables, the lines between them.
const OTHER_LINES: usize = 8;

/// How much fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    /// Rows of routes and of services together.
    pub(super) rows: usize,
}

impl Size {
    /// Of a screen with so many columns and lines.
    pub(super) fn of(columns: usize, lines: usize) -> Self {
        Self { width: columns.max(1), rows: lines.saturating_sub(OTHER_LINES).max(2) }
    }

    /// So many rows, where there is no screen.
    pub(super) const fn rows(rows: usize) -> Self {
        Self { width: WIDTH, rows: rows * 2 }
    }
}

/// The report as text.
pub(super) fn text(report: &Report, size: Size, coloured: bool) -> String {
    let mut page = Page { text: String::new(), width: size.width, coloured };
    let (rate, errors) = report.rates();
    page.line(
        Ink::Bold,
        &format!(
            "{} req/s   {} errors/s   {} in flight   {} connections   {} MiB",
            number(rate),
            number(errors),
            report.in_flight,
            report.connections,
            (report.resident / f64::from(1 << 20)).round()
        ),
    );
    let ink = if report.refused > 0.0 { Ink::Red } else { Ink::Dim };
    let refused =
        if report.refused > 0.0 { format!(", {} parts refused", report.refused) } else { String::new() };
    page.line(ink, &format!("configuration {}{refused}", report.generation));
    if !report.breakers.is_empty() {
        let open: Vec<String> =
            report.breakers.iter().map(|(target, state)| format!("{target} ({state})")).collect();
        page.line(Ink::Red, &format!("breakers: {}", open.join(", ")));
    }
    let service_rows = report.services.len().min(size.rows / 2);
    let route_rows = report.routes.len().min(size.rows - service_rows);
    let name = size.width.saturating_sub(COLUMNS_WIDTH).clamp(NAME_MIN, 48);
    page.line(Ink::Plain, "");
    let heads = ["req/s", "4xx/s", "5xx/s", "p50", "p99"].map(|head| format!("{head:>9} ")).concat();
    page.line(Ink::Bold, &format!("{:<name$} {}", "route", heads.trim_end()));
    for row in report.routes.iter().take(route_rows) {
        let ink = if row.errors > 0.0 { Ink::Red } else { Ink::Plain };
        let cells = [
            number(row.rate),
            number(row.client_errors),
            number(row.errors),
            millis(row.p50),
            millis(row.p99),
        ];
        page.line(ink, &line(&row.name, name, &cells));
    }
    page.more(report.routes.len() - route_rows);
    page.line(Ink::Plain, "");
    let heads = ["req/s", "opened/s", "failed/s", "again/s"].map(|head| format!("{head:>9} ")).concat();
    page.line(Ink::Bold, &format!("{:<name$} {}", "service", heads.trim_end()));
    for row in report.services.iter().take(service_rows) {
        let ink = if row.connect_failures > 0.0 { Ink::Red } else { Ink::Plain };
        let cells =
            [number(row.rate), number(row.connects), number(row.connect_failures), number(row.retries)];
        page.line(ink, &line(&row.name, name, &cells));
    }
    page.more(report.services.len() - service_rows);
    page.text
}

fn line(name: &str, width: usize, cells: &[String]) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = match name.chars().count() > width {
        true => name.chars().take(width - 1).chain(['…']).collect(),
        false => name,
    };
    let cells: String = cells.iter().map(|cell| format!("{cell:>9} ")).collect();
    format!("{name:<width$} {}", cells.trim_end())
}

/// The colour of a line.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
}

struct Page {
    text: String,
    width: usize,
    coloured: bool,
}

impl Page {
    fn line(&mut self, ink: Ink, line: &str) {
        let cut: String = line.chars().take(self.width).collect();
        let code = match ink {
            Ink::Plain => "",
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
        };
        // Writing to a string does not fail.
        let _ = match self.coloured && !code.is_empty() {
            true => writeln!(self.text, "\x1b[{code}m{cut}\x1b[0m"),
            false => writeln!(self.text, "{}", cut.trim_end()),
        };
    }

    fn more(&mut self, count: usize) {
        if count > 0 {
            self.line(Ink::Dim, &format!("and {count} more"));
        }
    }
}

fn number(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        _ if value < 10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn millis(seconds: Option<f64>) -> String {
    match seconds.map(|seconds| seconds * 1e3) {
        None => "-".into(),
        Some(millis) if millis < 1.0 => format!("{millis:.2}ms"),
        Some(millis) if millis < 100.0 => format!("{millis:.1}ms"),
        Some(millis) => format!("{millis:.0}ms"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::{RouteRow, ServiceRow};
    use super::*;

    fn report(routes: usize) -> Report {
        let route = |number| RouteRow {
            name: format!("GET shop.example/route-with-a-name-{number}"),
            rate: 1234.5,
            client_errors: 0.0,
            errors: if number == 0 { 0.5 } else { 0.0 },
            p50: Some(0.000_42),
            p99: Some(0.1234),
        };
        let service = ServiceRow {
            name: "orders".into(),
            rate: 7.0,
            connects: 0.0,
            connect_failures: 0.0,
            retries: 0.0,
        };
        Report {
            took: Duration::from_secs(1),
            routes: (0..routes).map(route).collect(),
            services: vec![service],
            breakers: vec![("/a".into(), "open".into())],
            in_flight: 3.0,
            connections: 9.0,
            connections_refused: 0.0,
            generation: 2.0,
            refused: 0.0,
            resident: 30_000_000.0,
        }
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_no_more_lines_than_fit_are_written() {
        for (columns, lines) in [(80, 24), (40, 10), (20, 5), (200, 60)] {
            let text = text(&report(100), Size::of(columns, lines), false);
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}\n{text}");
            assert!(text.lines().count() <= lines.max(11), "{lines}\n{text}");
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn what_is_wrong_is_red_and_the_rest_is_counted() {
        let shown = text(&report(3), Size::rows(1), true);
        assert!(shown.contains("\x1b[31mbreakers: /a (open)"), "{shown}");
        assert!(shown.contains("and 2 more"), "{shown}");
        let red = shown.lines().find(|line| line.contains("route-with")).unwrap();
        assert!(red.starts_with("\x1b[31m") && red.contains("0.42ms") && red.contains("123ms"), "{red}");
    }
}
