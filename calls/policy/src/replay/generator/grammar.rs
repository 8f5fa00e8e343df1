//! How a generator is written: `gen:` and settings with commas between them, each a name and a value. What is wrong is
//! told with its place and with what may stand there.

use std::time::Duration;

use mamparo_context::duration;

use super::{Generator, Latency, Outage, Window};
use crate::limits::{REPLAY_CAPACITY_MAX, TRACE_CALLS_MAX, TRACE_TIME_MAX};

/// Every setting with an example, as it is offered to who wrote another.
const SETTINGS: &[(&str, &str)] = &[
    ("rate", "rate=200/s"),
    ("for", "for=60s"),
    ("arrivals", "arrivals=random or arrivals=even"),
    ("latency", "latency=20ms or latency=20ms±50%"),
    ("tail", "tail=1%:500ms"),
    ("errors", "errors=2%"),
    ("lost", "lost=1%"),
    ("busy", "busy=5% or busy=5%:2s"),
    ("outage", "outage=20s..35s, and behind it :down, :hang, :slow=2s, :errors=50%, :busy or :busy=2s"),
    ("surge", "surge=20s..35s:x3"),
    ("capacity", "capacity=50"),
    ("keyed", "keyed=80%"),
    ("sheddable", "sheddable=30%"),
    ("principals", "principals=10"),
    ("deadline", "deadline=2s"),
    ("seed", "seed=7"),
];

/// What is wrong with the text of a generator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {help}")]
pub struct InvalidGenerator {
    /// In which character the bad part begins, counted from 1.
    pub column: usize,
    /// How many characters it has.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What may stand there.
    pub help: String,
}

/// A part of the text, and where it begins in it, in bytes.
#[derive(Clone, Copy)]
struct Part<'t> {
    whole: &'t str,
    start: usize,
    text: &'t str,
}

type Parsed<T> = Result<T, InvalidGenerator>;

impl<'t> Part<'t> {
    fn wrong(self, message: String, help: impl Into<String>) -> InvalidGenerator {
        let column = self.whole.get(..self.start).unwrap_or_default().chars().count() + 1;
        InvalidGenerator { column, length: self.text.chars().count().max(1), message, help: help.into() }
    }

    /// It is not `what`.
    fn is_not<T>(self, what: &str, example: &str) -> Parsed<T> {
        Err(self.wrong(format!("`{}` is not {what}", self.text), format!("such as {example}")))
    }

    fn split(self, separator: &str) -> (Self, Option<Self>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((first, rest)) => {
                let start = self.start + first.len() + separator.len();
                (Self { text: first, ..self }, Some(Self { text: rest, start, ..self }))
            }
        }
    }

    fn parts(self, separator: &str) -> impl Iterator<Item = Part<'t>> {
        let mut rest = Some(self);
        let separator = separator.to_owned();
        std::iter::from_fn(move || {
            let (first, after) = rest?.split(&separator);
            rest = after;
            Some(first)
        })
    }

    fn time(self, example: &str) -> Parsed<Duration> {
        match duration::parse(self.text).filter(|time| *time <= TRACE_TIME_MAX) {
            Some(time) => Ok(time),
            None => {
                self.is_not("a duration of at most 30d (a whole number and us, ms, s, m, h or d)", example)
            }
        }
    }

    fn percent(self, example: &str) -> Parsed<f64> {
        let number = self.text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match number.filter(|number| (0.0..=100.0).contains(number)) {
            Some(number) => Ok(number),
            None => self.is_not("a share from 0% to 100%", example),
        }
    }

    fn whole(self, most: u32, example: &str) -> Parsed<u32> {
        match self.text.parse::<u32>().ok().filter(|number| (1..=most).contains(number)) {
            Some(number) => Ok(number),
            None => self.is_not(&format!("a number from 1 to {most}"), example),
        }
    }

    fn rate(self) -> Parsed<f64> {
        let rate = self.text.split_once('/').and_then(|(number, unit)| {
            let seconds = match unit {
                "s" => 1.0,
                "m" => 60.0,
                _ => return None,
            };
            let rate = number.parse::<f64>().ok()? / seconds;
            (rate > 0.0 && rate <= 1_000_000.0).then_some(rate)
        });
        rate.map_or_else(|| self.is_not("a number of calls in a time", "200/s or 30/m"), Ok)
    }

    fn window(self, example: &str) -> Parsed<Window> {
        let (from, Some(to)) = self.split("..") else { return self.is_not("from..to", example) };
        let window = Window { from: from.time("20s")?, to: to.time("35s")? };
        if window.from < window.to { Ok(window) } else { self.is_not("a time that passes", example) }
    }
}

/// Reads a generator.
pub(super) fn parse(text: &str) -> Parsed<Generator> {
    let all = Part { whole: text, start: 0, text };
    let Some(settings) = text.strip_prefix("gen:") else {
        return all.is_not("a generator", "gen:rate=200/s,for=60s");
    };
    let mut generator = Generator::default();
    let mut seen: Vec<&str> = Vec::new();
    let settings = Part { text: settings, start: "gen:".len(), ..all };
    for setting in settings.parts(",").filter(|_| !settings.text.is_empty()) {
        let (name, value) = setting.split("=");
        let Some((known, example)) = SETTINGS.iter().find(|(known, _)| *known == name.text) else {
            let names: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
            let help = format!("what may stand here: {}", names.join(", "));
            return Err(name.wrong(format!("unknown setting `{}`", name.text), help));
        };
        let Some(value) = value else {
            return Err(name.wrong(format!("`{known}` has no value"), format!("write {example}")));
        };
        let repeats = matches!(*known, "outage" | "surge");
        if !repeats && seen.contains(known) {
            return Err(name.wrong(format!("`{known}` stands there twice"), "take out one of them"));
        }
        seen.push(known);
        set(&mut generator, known, value, example)?;
    }
    whole(&generator, settings)?;
    Ok(generator)
}

fn set(generator: &mut Generator, name: &str, value: Part<'_>, example: &str) -> Parsed<()> {
    match name {
        "rate" => generator.per_second = value.rate()?,
        "for" => generator.span = value.time(example)?,
        "arrivals" => {
            generator.random = match value.text {
                "random" => true,
                "even" => false,
                _ => return value.is_not("a way to come", example),
            }
        }
        "latency" => generator.latency = latency(value, example)?,
        "tail" => {
            let (share, Some(time)) = value.split(":") else { return value.is_not("share:time", example) };
            generator.tail = Some((share.percent("1%")?, time.time("500ms")?));
        }
        "errors" => generator.errors = value.percent(example)?,
        "lost" => generator.lost = value.percent(example)?,
        "busy" => {
            let (share, after) = value.split(":");
            generator.busy = share.percent("5%")?;
            generator.busy_after = after.map(|after| after.time("2s")).transpose()?;
        }
        "outage" => generator.outages.push(outage(value, example)?),
        "surge" => {
            let (window, Some(times)) = value.split(":") else { return value.is_not("from..to:xN", example) };
            let factor = times.text.strip_prefix('x').and_then(|number| number.parse::<f64>().ok());
            let Some(factor) = factor.filter(|factor| (0.01..=1_000.0).contains(factor)) else {
                return times.is_not("how many times as many calls, from x0.01 to x1000", "x3");
            };
            generator.surges.push((window.window("20s..35s")?, factor));
        }
        "capacity" => generator.capacity = Some(value.whole(REPLAY_CAPACITY_MAX, example)?),
        "keyed" => generator.keyed = value.percent(example)?,
        "sheddable" => generator.sheddable = value.percent(example)?,
        "principals" => generator.principals = value.whole(100_000, example)?,
        "deadline" => generator.deadline = Some(value.time(example)?),
        _ => match value.text.parse() {
            Ok(seed) => generator.seed = seed,
            Err(_) => return value.is_not("a whole number", example),
        },
    }
    Ok(())
}

fn latency(value: Part<'_>, example: &str) -> Parsed<Latency> {
    let separator = if value.text.contains('±') { "±" } else { "+-" };
    let (middle, spread) = value.split(separator);
    let spread = spread.map_or(Ok(0.0), |spread| spread.percent("50%"))?;
    Ok(Latency { middle: middle.time(example)?, spread: spread / 100.0 })
}

fn outage(value: Part<'_>, example: &str) -> Parsed<(Window, Outage)> {
    let (window, kind) = value.split(":");
    let window = window.window("20s..35s")?;
    let Some(kind) = kind else { return Ok((window, Outage::Down)) };
    let (name, amount) = kind.split("=");
    let outage = match (name.text, amount) {
        ("down", None) => Outage::Down,
        ("hang", None) => Outage::Hang,
        ("slow", Some(time)) => Outage::Slow(time.time("2s")?),
        ("errors", Some(share)) => Outage::Errors(share.percent("50%")?),
        ("busy", after) => Outage::Busy(after.map(|after| after.time("2s")).transpose()?),
        _ => return kind.is_not("a kind of outage", example),
    };
    Ok((window, outage))
}

/// What only all settings together show.
fn whole(generator: &Generator, settings: Part<'_>) -> Parsed<()> {
    if generator.errors + generator.lost + generator.busy > 100.0 {
        let message = "errors, lost and busy together are more than 100%".to_owned();
        return Err(settings.wrong(message, "make them smaller"));
    }
    let seconds = generator.span.as_secs_f64();
    let more: f64 = generator
        .surges
        .iter()
        .map(|(window, times)| {
            let share = window.to.min(generator.span).saturating_sub(window.from).as_secs_f64();
            (times - 1.0).max(0.0) * share
        })
        .sum();
    let calls = generator.per_second * (seconds + more);
    if calls > TRACE_CALLS_MAX as f64 {
        let message = format!("these would be about {calls:.0} calls");
        return Err(settings.wrong(message, format!("at most {TRACE_CALLS_MAX}")));
    }
    if calls < 1.0 {
        return Err(settings.wrong("these would be no calls".to_owned(), "raise `rate` or `for`"));
    }
    Ok(())
}
