//! A replay as a picture: areas of what calls came to, a line of the attempts at the dependency, and the breaker. It
//! reads well on light and on dark ground.

use std::fmt::Write;

use mamparo_policy::replay::{Report, Totals};

use super::band::{self, Place};
use super::text::whole;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 944.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 336.0;
const BAND_TOP: f64 = 344.0;
const BAND_HEIGHT: f64 = 16.0;
const HEIGHT: f64 = 420.0;
/// Characters of the heading that have room.
const HEADING_CHARS_MAX: usize = 120;

/// Plain colours, for not every program that shows pictures knows variables.
const STYLE: &str = "\
.replay text{fill:#1f2328;font:12px system-ui,sans-serif}
.replay .heading{font-weight:600}
.replay .ground{fill:#ffffff}
.replay .grid{stroke:#d1d9e0;fill:none}
.replay .ok,.replay .closed{fill:#4ac26b}
.replay .refused,.replay .half{fill:#d4a72c}
.replay .failed,.replay .open{fill:#fa4549}
.replay .late{fill:#a475f9}
.replay .attempts{stroke:#0550ae;stroke-width:2;fill:none}
@media (prefers-color-scheme:dark){
.replay text{fill:#e6edf3}
.replay .ground{fill:#0d1117}
.replay .grid{stroke:#3d444d}
.replay .ok,.replay .closed{fill:#238636}
.replay .refused,.replay .half{fill:#9e6a03}
.replay .failed,.replay .open{fill:#da3633}
.replay .late{fill:#8957e5}
.replay .attempts{stroke:#79c0ff}
}
";

/// What calls come to.
struct Area {
    class: &'static str,
    word: &'static str,
    count: fn(&Totals) -> u64,
}

/// The first lies at the bottom.
const AREAS: [Area; 4] = [
    Area { class: "ok", word: "ok", count: |totals| totals.ok },
    Area { class: "failed", word: "failed", count: |totals| totals.failed },
    Area { class: "late", word: "timed out", count: |totals| totals.timed_out },
    Area { class: "refused", word: "refused", count: |totals| totals.refused },
];

/// The picture, as an SVG file; `name` is what it is about.
pub(super) fn svg(report: &Report, name: &str) -> String {
    let span = report.bucket_ms * report.rows.len().max(1) as f64;
    let per_second = |count: u64| count as f64 / (report.bucket_ms / 1_000.0);
    let most = report.rows.iter().map(|row| per_second(row.totals.calls.max(row.totals.attempts)));
    let most = nice(most.fold(1.0, f64::max));
    let x = |at: f64| LEFT + at / span * (RIGHT - LEFT);
    let y = |rate: f64| BOTTOM - rate / most * (BOTTOM - TOP);

    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"replay\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>{name}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"heading\" x=\"16\" y=\"24\">{heading}</text>\n",
        name = escape(name),
        heading = escape(&cut(name)),
    );
    let edges = |index: usize| (x(report.bucket_ms * index as f64), x(report.bucket_ms * (index + 1) as f64));
    let mut below = vec![0_u64; report.rows.len()];
    for Area { class, count, .. } in AREAS {
        let mut upper = String::new();
        let mut lower = Vec::new();
        for (index, (row, below)) in report.rows.iter().zip(&mut below).enumerate() {
            let (from, to) = edges(index);
            let bottom = y(per_second(*below));
            *below += count(&row.totals);
            let top = y(per_second(*below));
            let _ = write!(upper, "{from:.1},{top:.1} {to:.1},{top:.1} ");
            lower.push(format!("{to:.1},{bottom:.1} {from:.1},{bottom:.1}"));
        }
        lower.reverse();
        let _ = writeln!(text, "<polygon class=\"{class}\" points=\"{upper}{}\"/>", lower.join(" "));
    }
    axes(&mut text, span, most);
    let mut line = String::new();
    for (index, row) in report.rows.iter().enumerate() {
        let ((from, to), height) = (edges(index), y(per_second(row.totals.attempts)));
        let _ = write!(line, "{from:.1},{height:.1} {to:.1},{height:.1} ");
    }
    let _ = writeln!(text, "<polyline class=\"attempts\" points=\"{}\"/>", line.trim_end());
    let place = Place { left: LEFT, width: RIGHT - LEFT, top: BAND_TOP, height: BAND_HEIGHT };
    text.push_str(&band::draw(report, span, &place));
    legend(&mut text, report);
    text.push_str("</svg>\n");
    text
}

fn axes(text: &mut String, span: f64, most: f64) {
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = BOTTOM - share * (BOTTOM - TOP);
        let _ = writeln!(text, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            (most * share * 10.0).round() / 10.0
        );
    }
    let step = nice(span / 8.0);
    let mut at = 0.0;
    while at <= span {
        let x = LEFT + at / span * (RIGHT - LEFT);
        let y = BAND_TOP + BAND_HEIGHT + 18.0;
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", whole(at));
        at += step;
    }
    let middle = (TOP + BOTTOM) / 2.0;
    let _ = writeln!(
        text,
        "<text x=\"18\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {middle})\">calls per second</text>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">time from the begin of the trace</text>",
        (LEFT + RIGHT) / 2.0,
        HEIGHT - 12.0
    );
}

fn legend(text: &mut String, report: &Report) {
    let mut x = LEFT;
    for Area { class, word, count } in AREAS {
        let label = format!("{word} {}", count(&report.total));
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"38\" width=\"12\" height=\"12\"/><text x=\"{:.1}\" y=\"48\">{label}</text>",
            x + 18.0
        );
        x += 44.0 + 7.0 * label.len() as f64;
    }
    let _ = writeln!(
        text,
        "<path class=\"attempts\" d=\"M{x:.1} 44h16\"/><text x=\"{:.1}\" y=\"48\">attempts at the dependency {} ({} for each call)</text>",
        x + 22.0,
        report.total.attempts,
        report.amplification
    );
}

/// The next of 1, 2, 2.5, 5, 10, 20 … that is not less.
fn nice(number: f64) -> f64 {
    let power = 10_f64.powf(number.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= number)
        .unwrap_or(number)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= HEADING_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(HEADING_CHARS_MAX - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_and_names_are_only_text() {
        for (number, round) in
            [(1.0, 1.0), (201.0, 250.0), (7_500.0, 10_000.0), (0.3, 0.5), (60_000.0 / 8.0, 10_000.0)]
        {
            assert!((nice(number) - round).abs() < 1e-9 * round, "{number}: {}", nice(number));
        }
        assert_eq!(escape("<a&\">"), "&lt;a&amp;&quot;&gt;");
        assert_eq!(cut(&"x".repeat(200)).chars().count(), HEADING_CHARS_MAX);
    }
}
