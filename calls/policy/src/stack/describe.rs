//! A stack in words: its parts in their order, with their values.

use std::fmt;

use mamparo_context::duration::text;

use super::{Repeats, Side, Stack};
use crate::Mode;
use crate::retry::{BudgetConfig, Repeat};

/// What [`Stack::describe`] gives.
#[derive(Debug)]
pub struct Description<'a>(&'a Stack);

impl Stack {
    /// Its parts in the order in which a call passes them, with their values, a line each.
    pub const fn describe(&self) -> Description<'_> {
        Description(self)
    }
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = self.0;
        let side = match stack.side {
            Side::Client => "calls of",
            Side::Server => "requests to",
            Side::Gateway => "requests of",
        };
        writeln!(f, "{side} {}", stack.name)?;
        let mut row = |name: &str, mode: Mode, what: &str| {
            let mode = if mode == Mode::Enforce { String::new() } else { format!(" ({})", mode.as_str()) };
            writeln!(f, "  {name:<16} {what}{mode}")
        };
        let time = stack.timeout;
        let overall = time.overall.map_or_else(|| "as inherited".to_owned(), text);
        row(
            "deadline",
            Mode::Enforce,
            &format!("{overall}, no attempt with less than {}", text(time.minimum)),
        )?;
        match &stack.repeats {
            Repeats::None => {}
            Repeats::Retry(retry) => {
                let config = retry.config();
                let what = format!(
                    "{} attempts, {}, after {} to {}, {}",
                    config.attempts,
                    repeat(config.repeat),
                    text(config.backoff.base),
                    text(config.backoff.max),
                    budget(config.budget),
                );
                row("retry", config.mode, &what)?;
            }
            Repeats::Hedge(hedge) => {
                let config = hedge.config();
                let what = format!(
                    "{} more after the {}th percentile ({} to {}), {}, {}",
                    config.extra,
                    config.percentile,
                    text(config.minimum),
                    text(config.maximum),
                    repeat(config.repeat),
                    budget(config.budget),
                );
                row("hedge", config.mode, &what)?;
            }
        }
        for (name, mode, what) in stack.parts.described() {
            row(name, mode, &what)?;
        }
        if let Some(attempt) = time.attempt {
            row("attempt timeout", Mode::Enforce, &text(attempt))?;
        }
        if let Some(faults) = &stack.faults {
            let (mode, what) = faults.described();
            row("fault injection", mode, &what)?;
        }
        Ok(())
    }
}

fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Unsent => "only what was not sent",
        Repeat::Keyed => "what was not sent or has a key",
        Repeat::Idempotent => "everything",
    }
}

fn budget(budget: BudgetConfig) -> String {
    let BudgetConfig { tokens, failure_cost, busy_cost, success_gain, floor_per_second } = budget;
    format!(
        "budget {tokens} (failure -{failure_cost}, busy -{busy_cost}, success +{success_gain}, floor {floor_per_second}/s)"
    )
}
