//! The loop: lets happen what is ready, then moves the clock to the next thing that happens.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mamparo_context::{Clock, ManualClock, Random};

use super::dependency::Dependency;
use super::executor::Executor;
use super::record::Record;
use super::report::Report;
use super::trace::Trace;
use super::world::World;
use super::{Error, Options};
use crate::draw::Draw;
use crate::limits::{REPLAY_ATTEMPTS_MAX, REPLAY_ROWS_MAX};
use crate::stack::{ClientConfig, InvalidStack, Stack};

/// Between two words about how far it is.
const TURNS_BETWEEN_WORDS: u32 = 1 << 14;
/// How much time a row may be about, if nobody says.
const BUCKETS_MS: [u64; 17] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 300_000, 900_000,
    3_600_000, 86_400_000,
];
/// So many rows are read at a glance.
const ROWS: u32 = 60;

pub(super) fn run(
    trace: &Trace,
    stack: &ClientConfig,
    options: Options,
    mut progress: impl FnMut(Duration),
) -> Result<Report, Error> {
    let (clock, manual) = Clock::manual();
    let world = Rc::new(world(trace, stack, options, clock)?);
    let mut executor = Executor::default();
    let mut calls = trace.calls.iter().enumerate().peekable();
    let mut turns = 0_u32;
    world.note_breakers();
    loop {
        while executor.step() {
            world.note_breakers();
            if world.record.borrow().arrivals() > REPLAY_ATTEMPTS_MAX {
                return Err(Error::TooManyAttempts);
            }
        }
        turns = turns.wrapping_add(1);
        let now = world.now();
        if turns.is_multiple_of(TURNS_BETWEEN_WORDS) {
            progress(now);
        }
        if let Some((number, call)) = calls.next_if(|(_, call)| call.at <= now) {
            executor.spawn(Rc::clone(&world).call(number, call.clone()));
            continue;
        }
        let comes = calls.peek().map(|(_, call)| call.at.saturating_sub(now));
        if comes.is_none() && executor.alive() == 0 {
            break;
        }
        if !advance(&manual, comes) {
            return Err(Error::Stuck { calls: executor.alive() });
        }
    }
    let record = world.record.take();
    Ok(Report::new(record, &world.stacks, options.seed, trace.span(), world.now()))
}

/// Moves the clock to the next call or to the next sleeper; `false` when there is neither.
fn advance(manual: &ManualClock, comes: Option<Duration>) -> bool {
    let by = match (comes, manual.next_wakeup()) {
        (Some(comes), Some(wakes)) => comes.min(wakes),
        (Some(either), None) | (None, Some(either)) => either,
        (None, None) => return false,
    };
    manual.advance(by);
    true
}

fn world(trace: &Trace, stack: &ClientConfig, options: Options, clock: Clock) -> Result<World, InvalidStack> {
    let mut draw = Draw::new(options.seed);
    let build = |layer: usize| {
        let name = if layer == options.layers { "dependency".to_owned() } else { format!("service-{layer}") };
        Stack::client(&name).config(stack.clone()).clock(clock.clone()).seed(draw.number()).build()
    };
    let stacks = (1..=options.layers).map(build).collect::<Result<Vec<Stack>, InvalidStack>>()?;
    let bucket = options.bucket.unwrap_or_else(|| usual_bucket(trace.span()));
    let record = Record::new(bucket, rows(trace.span(), bucket), options.layers);
    Ok(World {
        start: clock.moment(),
        stacks,
        dependency: RefCell::new(Dependency::new(trace, options.capacity)),
        record: RefCell::new(record),
        random: Random::seeded(options.seed),
        clock,
    })
}

/// A row for each time in which calls come; what ends later belongs to the row of its call.
fn rows(span: Duration, bucket: Duration) -> usize {
    let rows = span.as_nanos() / bucket.as_nanos().max(1) + 1;
    usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, REPLAY_ROWS_MAX)
}

fn usual_bucket(span: Duration) -> Duration {
    let fits = |millis: &&u64| Duration::from_millis(**millis) * ROWS >= span;
    Duration::from_millis(BUCKETS_MS.iter().find(fits).copied().unwrap_or(86_400_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_as_many_rows_as_are_read_at_a_glance() {
        for (secs, bucket) in
            [(1, 20), (10, 200), (60, 1_000), (61, 2_000), (3_600, 60_000), (86_400, 3_600_000)]
        {
            let span = Duration::from_secs(secs);
            assert_eq!(usual_bucket(span), Duration::from_millis(bucket), "{secs}");
        }
        assert_eq!(rows(Duration::from_secs(60), Duration::from_secs(1)), 61);
        assert_eq!(rows(Duration::ZERO, Duration::from_secs(1)), 1);
    }
}
