//! Calls that are made beside themselves.

use super::*;

fn hedge() -> HedgeConfig {
    HedgeConfig { initial: millis(20), repeat: Repeat::Idempotent, ..HedgeConfig::default() }
}

#[test]
fn a_hedge_answers_for_a_slow_attempt_which_is_dropped_and_is_no_sample() {
    let (clock, manual) = Clock::manual();
    let hedge = HedgeConfig { initial: millis(20), repeat: Repeat::Idempotent, ..HedgeConfig::default() };
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge).breaker(breaker()).build().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let call = stack.call(&Context::root(), |cx| {
        let slow = hangs(&dropped);
        let first = cx.attempt().number() == 1;
        async move {
            if first {
                slow.await
            } else {
                drop(slow);
                Ok("second")
            }
        }
    });
    assert_eq!(finish(call, &clock, &manual), (Ok("second"), 20));
    let counted = stack.counted();
    assert_eq!((counted.repeats, counted.hedges_won), (1, 1));
    let counted = stack.breaker().unwrap().counts().read();
    assert_eq!((counted.admitted, counted.cancelled), (2, 1));
    assert_eq!(stack.hedge().unwrap().budget().tokens(), 500 - 14 + 1);
}

#[test]
fn a_hedge_begins_at_once_when_the_only_attempt_has_failed_and_its_failure_waits_for_the_others() {
    let (clock, manual) = Clock::manual();
    let hedge = HedgeConfig { initial: millis(20), repeat: Repeat::Idempotent, ..HedgeConfig::default() };
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge).build().unwrap();
    let mut script = Script::new(&clock, [Err(DOWN), Ok("second")]);
    let call = stack.call(&Context::root(), |cx| script.next(&cx));
    assert_eq!(finish(call, &clock, &manual), (Ok("second"), 0));

    // The first fails while the second is under way: the second one answers.
    let own = clock.clone();
    let call = stack.call(&Context::root(), move |cx| {
        let (own, number) = (own.clone(), cx.attempt().number());
        async move {
            let after = if number == 1 { 30 } else { 40 };
            crate::time::sleep_until(&own, own.moment() + millis(after)).await;
            if number == 1 { Answer::Err(DOWN) } else { Answer::Ok("second") }
        }
    });
    assert_eq!(finish(call, &clock, &manual), (Ok("second"), 60));
    let failing = stack.call(&Context::root(), |_| async { Answer::Err(DOWN) });
    let expected = Cause::Failed(DOWN).given_up(Some(GaveUp::Attempts));
    assert_eq!(finish(failing, &clock, &manual).0, Err(expected), "nobody above makes it four");
}

#[test]
fn no_hedge_begins_at_once_for_who_was_refused_here_or_asked_to_come_later_or_is_too_late() {
    let (clock, manual) = Clock::manual();
    let overall = Some(millis(15));
    let timeout = TimeoutConfig { overall, ..TimeoutConfig::default() };
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge()).timeout(timeout).breaker(breaker());
    let stack = stack.build().unwrap();
    let budget = || stack.hedge().unwrap().budget().tokens();
    let asked = Failed(Fault::upstream().retry_after(millis(500)));
    let mut script = Script::new(&clock, [Err(asked)]);
    let (answer, _) = finish(stack.call(&Context::root(), |cx| script.next(&cx)), &clock, &manual);
    assert_eq!(answer, Err(Cause::Failed(asked).given_up(None)));
    assert_eq!(script.seen.len(), 1);

    let dropped = Arc::default();
    let (answer, _) = finish(stack.call(&Context::root(), |_| hangs(&dropped)), &clock, &manual);
    let late = Cause::TimedOut { after: millis(15), whole: true };
    let mut late: CallError<Failed> = late.given_up(Some(GaveUp::Deadline));
    late.indeterminate = true;
    assert_eq!(answer, Err(late), "not that another attempt was too late");

    stack.breaker().unwrap().force_open();
    for _ in 0..100 {
        let (answer, _) =
            finish(stack.call(&Context::root(), |_| async { Answer::Ok("x") }), &clock, &manual);
        let refused = Refusal::new(Policy::Breaker, Reason::ForcedOpen);
        assert_eq!(answer, Err(Cause::Refused(refused).given_up(None)));
    }
    assert_eq!((budget(), stack.counted().repeats), (500, 0));
}

#[test]
fn a_hedge_does_not_stand_in_the_line_beside_its_own_call_and_one_that_is_refused_costs_nothing() {
    let (clock, manual) = Clock::manual();
    let stack =
        |bulkhead| Stack::client("a").clock(clock.clone()).hedge(hedge()).bulkhead(bulkhead).build().unwrap();
    let line = stack(BulkheadConfig::of(1));
    let dropped = Arc::default();
    let mut busy = pin!(line.call(&Context::root(), |_| hangs(&dropped)));
    let mut waits = pin!(line.call(&Context::root(), |_| hangs(&dropped)));
    assert!(poll(&mut busy).is_pending() && poll(&mut waits).is_pending());
    manual.advance(millis(50));
    assert!(poll(&mut waits).is_pending());
    assert_eq!((line.bulkhead().unwrap().waiting(), line.counted().repeats), (1, 0));

    let full = stack(BulkheadConfig { queue: 0, ..BulkheadConfig::of(1) });
    for _ in 0..100 {
        let own = clock.clone();
        let call = full.call(&Context::root(), move |_| {
            let own = own.clone();
            async move {
                crate::time::sleep_until(&own, own.moment() + millis(30)).await;
                Answer::Ok("x")
            }
        });
        assert_eq!(finish(call, &clock, &manual), (Ok("x"), 30));
    }
    assert_eq!(full.bulkhead().unwrap().counts().read().refused, 100);
    assert_eq!(full.hedge().unwrap().budget().tokens(), 500);
}

#[test]
fn an_answer_that_cannot_be_bettered_does_not_wait_for_the_others() {
    let (clock, manual) = Clock::manual();
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge()).build().unwrap();
    let wrong = Failed(Fault::caller());
    let own = clock.clone();
    let call = stack.call(&Context::root(), move |cx| {
        let (own, after) = (own.clone(), if cx.attempt().number() == 1 { 30 } else { 400 });
        async move {
            crate::time::sleep_until(&own, own.moment() + millis(after)).await;
            Answer::Err(wrong)
        }
    });
    assert_eq!(finish(call, &clock, &manual), (Err(Cause::Failed(wrong).given_up(None)), 30));
}

#[test]
fn a_target_that_is_slow_altogether_is_not_asked_twice() {
    let (clock, manual) = Clock::manual();
    let hedge = HedgeConfig { maximum: millis(20), ..hedge() };
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge).build().unwrap();
    for _ in 0..2_000 {
        let own = clock.clone();
        let call = stack.call(&Context::root(), move |_| {
            let own = own.clone();
            async move {
                crate::time::sleep_until(&own, own.moment() + millis(50)).await;
                Answer::Ok("x")
            }
        });
        assert_eq!(finish(call, &clock, &manual), (Ok("x"), 50));
    }
    // What the budget holds, one in fourteen, and the floor.
    let repeats = stack.counted().repeats;
    assert!((100..=35 + 2_000 / 14 + 12).contains(&repeats), "{repeats}");
}

#[test]
fn the_delay_is_a_share_of_first_attempts_and_does_not_shrink_by_its_own_hedges() {
    let (clock, manual) = Clock::manual();
    let hedge = HedgeConfig {
        percentile: 90.0,
        budget: BudgetConfig { tokens: 1_000_000, ..BudgetConfig::default() },
        ..hedge()
    };
    let stack = Stack::client("a").clock(clock.clone()).hedge(hedge).build().unwrap();
    let mut draw = crate::draw::Draw::new(11);
    for _ in 0..4_000 {
        // 20 ms in the middle, with a long tail: one in ten takes longer than 46 ms.
        let mut takes = || millis(20).mul_f64(-(1.0 - draw.unit()).ln());
        let (own, takes) = (clock.clone(), [takes(), takes()]);
        let call = stack.call(&Context::root(), move |cx| {
            let (own, takes) = (own.clone(), takes[cx.attempt().number() as usize - 1]);
            async move {
                crate::time::sleep_until(&own, own.moment() + takes).await;
                Answer::Ok("x")
            }
        });
        assert!(finish(call, &clock, &manual).0.is_ok());
    }
    let delay = stack.hedge().unwrap().delay();
    assert!((44..=54).contains(&delay.as_millis()), "{delay:?}");
}
