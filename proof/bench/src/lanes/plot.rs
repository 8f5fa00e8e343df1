//! Draws what was found: one panel for the pings, on a logarithmic scale, and one for the jobs.

use std::fmt::Write;

use super::work::Variant;
use super::{Cell, LOADS};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 300.0;
const PANEL: f64 = 250.0;
const LEFT: [f64; 2] = [62.0, 402.0];
/// The least and the most that the panel of the pings shows, in powers of ten of a millisecond.
const DECADES: (f64, f64) = (-1.0, 4.0);

const STYLE: &str = "\
svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:14px}\
.g{stroke:#d0d7de;stroke-width:1}.d{stroke-dasharray:4 4;stroke:#6e7781;fill:none}\
.l{fill:none;stroke-width:2.2}\
.c0{stroke:#b3261e;fill:#b3261e}.c1{stroke:#b26a00;fill:#b26a00}.c2{stroke:#6f42c1;fill:#6f42c1}\
.c3{stroke:#0a7d33;fill:#0a7d33}.c4{stroke:#0b6bcb;fill:#0b6bcb}\
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.g{stroke:#30363d}\
.d{stroke:#8b949e}.c0{stroke:#ff7b72;fill:#ff7b72}.c1{stroke:#e3b341;fill:#e3b341}\
.c2{stroke:#c297ff;fill:#c297ff}.c3{stroke:#56d364;fill:#56d364}.c4{stroke:#79c0ff;fill:#79c0ff}}\
.l{fill:none}";

/// The picture, as SVG.
pub(super) fn draw(cells: &[Cell], capacity: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"latency of pings and jobs done in time, by where the jobs are done\">\n<style>{STYLE}</style>\n"
    );
    pings(&mut svg, cells);
    jobs(&mut svg, cells, capacity);
    legend(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

fn pings(svg: &mut String, cells: &[Cell]) {
    let y = |ms: f64| {
        let power = ms.max(1e-9).log10().clamp(DECADES.0, DECADES.1);
        BOTTOM - (power - DECADES.0) / (DECADES.1 - DECADES.0) * (BOTTOM - TOP)
    };
    frame(svg, 0, "ping p99, ms (logarithmic)");
    for power in DECADES.0 as i32..=DECADES.1 as i32 {
        let ms = 10_f64.powi(power);
        gridline(svg, 0, y(ms), &ms.to_string());
    }
    lines(svg, 0, cells, |cell| y(cell.measured.ping_p99));
}

fn jobs(svg: &mut String, cells: &[Cell], capacity: f64) {
    let y = |rate: f64| BOTTOM - (rate / capacity).min(1.0) * (BOTTOM - TOP);
    frame(svg, 1, "jobs done in time, 1/s");
    for quarter in 0..=4 {
        let rate = capacity * f64::from(quarter) / 4.0;
        gridline(svg, 1, y(rate), &format!("{rate:.0}"));
    }
    let asked = LOADS.map(|load| format!("{:.1},{:.1}", x(1, load), y(capacity * load)));
    let _ = writeln!(svg, "<polyline class=\"d\" points=\"{}\"/>", asked.join(" "));
    lines(svg, 1, cells, |cell| y(cell.measured.in_time));
}

/// The loads double, so they stand at equal distances.
fn x(panel: usize, load: f64) -> f64 {
    let span = (LOADS[2] / LOADS[0]).log2();
    LEFT[panel] + 14.0 + (load / LOADS[0]).log2() / span * (PANEL - 28.0)
}

fn frame(svg: &mut String, panel: usize, title: &str) {
    let left = LEFT[panel];
    let _ = writeln!(svg, "<text class=\"t\" x=\"{left}\" y=\"36\">{title}</text>");
    for load in LOADS {
        let (at, below) = (x(panel, load), BOTTOM + 20.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{load}x</text>");
    }
    let (middle, below) = (left + PANEL / 2.0, BOTTOM + 42.0);
    let label = "asked for, in parts of what all processors can do";
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{label}</text>");
}

fn gridline(svg: &mut String, panel: usize, y: f64, label: &str) {
    let (left, right) = (LEFT[panel], LEFT[panel] + PANEL);
    let _ = writeln!(svg, "<line class=\"g\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    let (at, below) = (left - 6.0, y + 4.0);
    let _ = writeln!(svg, "<text x=\"{at}\" y=\"{below:.1}\" text-anchor=\"end\">{label}</text>");
}

fn lines(svg: &mut String, panel: usize, cells: &[Cell], y: impl Fn(&Cell) -> f64) {
    for (number, variant) in Variant::ALL.into_iter().enumerate() {
        let points: Vec<_> = cells
            .iter()
            .filter(|cell| cell.variant == variant)
            .map(|cell| (x(panel, cell.load), y(cell)))
            .collect();
        let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(svg, "<polyline class=\"c{number} l\" points=\"{}\"/>", line.join(" "));
        for (x, y) in points {
            let _ = writeln!(svg, "<circle class=\"c{number}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
        }
    }
}

fn legend(svg: &mut String) {
    let left = LEFT[1] + PANEL + 20.0;
    for (number, variant) in Variant::ALL.into_iter().enumerate() {
        let y = TOP + 14.0 + 24.0 * number as f64;
        let end = left + 22.0;
        let _ = writeln!(svg, "<polyline class=\"c{number} l\" points=\"{left},{y} {end},{y}\"/>");
        let (x, below) = (left + 30.0, y + 4.0);
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{below}\">{}</text>", variant.name());
    }
    let y = TOP + 14.0 + 24.0 * Variant::ALL.len() as f64;
    let (end, x, below) = (left + 22.0, left + 30.0, y + 4.0);
    let _ = writeln!(svg, "<polyline class=\"d\" points=\"{left},{y} {end},{y}\"/>");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{below}\">could be done</text>");
}
