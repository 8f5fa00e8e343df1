//! What a benchmark found, as a table for a person and as one JSON object for a program.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where the work crosses from the one who asks to the one who does it. A ratio compares like boundaries only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Boundary {
    InProcess,
    Socket,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    RatioAtLeast(f64),
    RatioAtMost(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    boundary: Boundary,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// Between these lie eight in ten of the rounds' own ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    holds: bool,
}

impl Figure {
    pub(crate) fn new(what: &str, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            value,
            unit,
            boundary: Boundary::InProcess,
            peer: None,
            peer_value: None,
            ratio: None,
            interval: None,
            target: None,
            holds: true,
        }
    }

    /// The same figure, of work that crossed a socket.
    pub(crate) fn socket(mut self) -> Self {
        self.boundary = Boundary::Socket;
        self
    }

    /// The same quantity of a peer, measured in turns; `ratio` is the median of the rounds' own ratios.
    pub(crate) fn beside(mut self, peer: &str, value: f64, ratio: f64) -> Self {
        self.peer = Some(peer.to_owned());
        self.peer_value = Some(value);
        self.ratio = Some(ratio);
        self
    }

    /// How far the rounds' ratios lie apart.
    pub(crate) fn within(mut self, interval: (f64, f64)) -> Self {
        self.interval = Some(interval);
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        let (text, holds) = match target {
            Target::AtLeast(bound) => (format!(">= {bound}"), self.value >= bound),
            Target::AtMost(bound) => (format!("<= {bound}"), self.value <= bound),
            Target::RatioAtLeast(bound) => {
                (format!(">= {bound} x peer"), self.ratio.is_some_and(|ratio| ratio >= bound))
            }
            Target::RatioAtMost(bound) => {
                (format!("<= {bound} x peer"), self.ratio.is_some_and(|ratio| ratio <= bound))
            }
        };
        self.holds &= holds;
        self.target = Some(match self.target {
            Some(first) => format!("{first}, {text}"),
            None => text,
        });
        self
    }
}

/// All that one benchmark found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    conditions: BTreeMap<&'static str, String>,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let conditions = BTreeMap::from([
            ("cores", cores.to_string()),
            ("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
            ("load average before", load_average()),
        ]);
        Self { bench, conditions, figures: Vec::new() }
    }

    pub(crate) fn condition(&mut self, name: &'static str, value: impl ToString) {
        self.conditions.insert(name, value.to_string());
    }

    pub(crate) fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    pub(crate) fn holds(&self) -> bool {
        self.figures.iter().all(|figure| figure.holds)
    }

    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).unwrap());
            return;
        }
        println!("bench {}", self.bench);
        for (name, value) in &self.conditions {
            println!("  {name}: {value}");
        }
        println!("{:<44} {:>12} {:<10} {:>12} {:>6}  target", "what", "value", "unit", "peer", "ratio");
        for figure in &self.figures {
            let peer = figure.peer_value.map(short).unwrap_or_default();
            let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let verdict = if figure.holds { "" } else { "  DOES NOT HOLD" };
            println!(
                "{:<44} {:>12} {:<10} {:>12} {:>6}  {}{verdict}",
                figure.what,
                short(figure.value),
                figure.unit,
                peer,
                ratio,
                figure.target.as_deref().unwrap_or(""),
            );
            if let Some(peer) = &figure.peer {
                let interval = figure.interval.map(|(low, high)| format!(", ratio {low:.2} to {high:.2}"));
                println!("{:<44} peer: {peer}{}", "", interval.unwrap_or_default());
            }
        }
    }
}

fn short(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
