//! What a generator may say, and that it keeps to it.

use super::*;

fn generator(text: &str) -> Generator {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn millis(at: u64) -> Duration {
    Duration::from_millis(at)
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_with_what_may_stand_there() {
    for (text, column, part, words) in [
        ("rate=1/s", 1, "rate=1/s", "is not a generator; such as gen:"),
        (
            "gen:rate=200/s,latncy=20ms",
            16,
            "latncy",
            "unknown setting `latncy`; what may stand here: rate, for,",
        ),
        ("gen:rate", 5, "rate", "`rate` has no value; write rate=200/s"),
        ("gen:rate=200", 10, "200", "`200` is not a number of calls in a time; such as 200/s or 30/m"),
        ("gen:rate=0/s", 10, "0/s", "not a number of calls"),
        ("gen:for=60", 9, "60", "`60` is not a duration"),
        ("gen:latency=20ms±half", 18, "half", "`half` is not a share from 0% to 100%; such as 50%"),
        ("gen:errors=0.02", 12, "0.02", "is not a share"),
        ("gen:errors=101%", 12, "101%", "is not a share"),
        ("gen:outage=20s", 12, "20s", "is not from..to; such as 20s..35s"),
        ("gen:outage=35s..20s", 12, "35s..20s", "is not a time that passes"),
        (
            "gen:outage=20s..35s:off",
            21,
            "off",
            "is not a kind of outage; such as outage=20s..35s, and behind it :down",
        ),
        ("gen:outage=20s..35s:slow=2", 26, "2", "is not a duration"),
        ("gen:surge=1s..2s", 11, "1s..2s", "such as surge=20s..35s:x3"),
        ("gen:surge=1s..2s:3", 18, "3", "such as x3"),
        ("gen:capacity=0", 14, "0", "is not a number from 1 to 100000"),
        ("gen:seed=-1", 10, "-1", "is not a whole number"),
        ("gen:seed=1,seed=2", 12, "seed", "stands there twice"),
        ("gen:errors=60%,lost=60%", 5, "errors=60%,lost=60%", "more than 100%"),
        ("gen:rate=100000/s,for=1h", 5, "rate=100000/s,for=1h", "about 360000000 calls; at most 1000000"),
        ("gen:for=0s", 5, "for=0s", "no calls"),
        ("gen:rate=1/s,,for=1s", 14, "", "unknown setting ``"),
    ] {
        let error = text.parse::<Generator>().expect_err(text);
        let found: String = text.chars().skip(error.column - 1).take(error.length).collect();
        let found = if part.is_empty() { "" } else { found.as_str() };
        assert_eq!((error.column, found), (column, part), "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn every_setting_is_taken() {
    let all = generator(
        "gen:rate=120/m,for=10s,arrivals=even,latency=30ms+-10%,tail=1%:500ms,errors=2%,lost=1%,busy=5%:2s,\
         outage=1s..2s,outage=2s..3s:hang,outage=3s..4s:slow=2s,outage=4s..5s:errors=50%,outage=5s..6s:busy,\
         outage=6s..7s:busy=1s,surge=7s..8s:x3,capacity=5,keyed=80%,sheddable=30%,principals=10,deadline=2s,seed=7",
    );
    assert_eq!((all.per_second, all.random, all.busy_after), (2.0, false, Some(millis(2_000))));
    assert_eq!((all.outages.len(), all.outages[5].1), (6, Outage::Busy(Some(millis(1_000)))));
    assert_eq!((all.seed, all.clone().with_seed(9).seed()), (7, 9));
    let trace = all.trace();
    // Two a second for nine seconds, six in the one of the surge; the first comes after half a second.
    assert_eq!(trace.calls().len(), 23);
    assert!(
        trace.calls().iter().all(|call| call.deadline == Some(millis(2_000)) && call.principal.is_some())
    );
    assert_eq!(generator("gen:"), Generator::default());
}

#[test]
fn shares_are_kept_and_a_seed_repeats_them() {
    let one = generator(
        "gen:rate=1000/s,for=20s,keyed=25%,sheddable=40%,errors=10%,lost=5%,surge=10s..20s:x2,seed=3",
    );
    let trace = one.trace();
    let calls = trace.calls();
    assert_eq!(
        calls,
        generator(
            "gen:rate=1000/s,for=20s,keyed=25%,sheddable=40%,errors=10%,lost=5%,surge=10s..20s:x2,seed=3"
        )
        .trace()
        .calls()
    );
    assert_ne!(calls, one.clone().with_seed(4).trace().calls());
    let within =
        |count: usize, of: usize, percent: f64| (count as f64 / of as f64 * 100.0 - percent).abs() < 1.5;
    let early = calls.iter().filter(|call| call.at < millis(10_000)).count();
    assert!(within(early, calls.len(), 33.3), "{early} of {}", calls.len());
    assert!(within(calls.iter().filter(|call| call.key.is_some()).count(), calls.len(), 25.0));
    let sheddable = calls.iter().filter(|call| call.class == Criticality::Sheddable).count();
    assert!(within(sheddable, calls.len(), 40.0));
    for ordinal in [0, 1] {
        let answers: Vec<Answer> =
            (0..10_000).map(|call| one.behaviour(call, ordinal, millis(5)).answer).collect();
        let share = |wanted: Answer| answers.iter().filter(|answer| **answer == wanted).count();
        assert!(within(share(Answer::Failed), 10_000, 10.0) && within(share(Answer::Lost), 10_000, 5.0));
    }
}

#[test]
fn an_outage_lasts_from_its_begin_to_its_end() {
    let one = generator("gen:latency=20ms,outage=1s..2s,outage=3s..4s:slow=2s,outage=5s..6s:errors=100%");
    let at = |at: u64| {
        let Behaviour { answer, took } = one.behaviour(0, 0, millis(at));
        (answer, took.as_millis())
    };
    assert_eq!([at(999), at(2_000)], [(Answer::Ok, 20); 2]);
    assert_eq!([at(1_000), at(1_999)], [(Answer::Unavailable, 1); 2]);
    assert_eq!((at(3_500), at(5_500)), ((Answer::Ok, 2_000), (Answer::Failed, 20)));
}
