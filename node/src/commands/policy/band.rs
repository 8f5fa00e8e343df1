//! The band below a plot: what the breaker was at which time.

use std::fmt::Write;

use mamparo_policy::replay::Report;

/// Where the band lies: from which x on, how wide, from which y on, how high.
pub(super) struct Place {
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) top: f64,
    pub(super) height: f64,
}

/// The band of the breaker before the dependency over `span_ms`; nothing without a breaker.
pub(super) fn draw(report: &Report, span_ms: f64, place: &Place) -> String {
    let mut text = String::new();
    let Some(layer) = report.layers.last().filter(|layer| !layer.breaker.is_empty()) else { return text };
    let x = |at: f64| place.left + (at / span_ms).clamp(0.0, 1.0) * place.width;
    let ends = layer.breaker.iter().skip(1).map(|change| change.at_ms).chain([span_ms]);
    for (change, end) in layer.breaker.iter().zip(ends) {
        let (from, to) = (x(change.at_ms), x(end));
        if to <= from {
            continue;
        }
        let class = match change.state {
            "closed" | "forced-closed" => "closed",
            "half-open" => "half",
            _ => "open",
        };
        // A probe is short: as wide as can be seen.
        let width = (to - from).max(1.5);
        let Place { top, height, .. } = place;
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"><title>{} from {:.0}ms</title></rect>",
            change.state, change.at_ms
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">breaker</text>",
        place.left - 8.0,
        place.top + place.height - 3.0
    );
    text
}
