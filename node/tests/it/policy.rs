//! Stacks of policies on the command line: checked, described, and run on virtual time.

use std::fs;

use crate::world::World;

const CARDS: &str = "\
timeout: {overall: 2s, attempt: 300ms}
retry: {attempts: 3}
bulkhead: {calls: 64}
breaker: {window: {time: 10s}, failure_percent: 50}
";
const OUTAGE: &str = "gen:rate=200/s,for=60s,outage=20s..35s:hang";

/// A world with the stack `cards.yaml`, and `none.yaml` with no policy at all.
fn world() -> World {
    let world = World::new("  {}");
    fs::write(world.path().join("cards.yaml"), CARDS).unwrap();
    fs::write(world.path().join("none.yaml"), "{}\n").unwrap();
    world
}

/// What a replay prints as JSON.
#[track_caller]
fn replay(world: &World, arguments: &[&str]) -> serde_json::Value {
    let ended = world.run(&[&["policy", "replay"], arguments, &["--json"]].concat());
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.stderr(), "", "progress is only for a terminal");
    serde_json::from_str(&ended.stdout()).unwrap()
}

#[test]
fn a_stack_is_checked_and_described() {
    let world = world();
    let ended = world.run(&["policy", "check", "cards.yaml"]);
    assert_eq!((ended.code(), ended.stdout().as_str()), (0, "cards.yaml is sound: 5 parts\n"));
    let told = world.run(&["policy", "describe", "cards.yaml"]).stdout();
    let parts: Vec<&str> = told.lines().map(|line| line.trim_start().split("  ").next().unwrap()).collect();
    assert_eq!(parts, ["calls of cards", "deadline", "retry", "bulkhead", "breaker", "attempt timeout"]);
    let values: serde_json::Value =
        serde_json::from_str(&world.run(&["policy", "describe", "cards.yaml", "--json"]).stdout()).unwrap();
    assert_eq!(
        (&values["timeout"]["overall"], &values["retry"]["budget"]["tokens"]),
        (&"2s".into(), &500.into())
    );
}

#[test]
fn everything_that_is_wrong_with_a_stack_is_told_with_its_place() {
    let world = world();
    let file = world.path().join("bad.yaml");
    for (text, expected) in [
        ("timeuot: {}\n", "bad.yaml:1:1: timeuot: unknown key `timeuot`; did you mean `timeout`?"),
        (
            "timeout: {overall: 10}\n",
            "bad.yaml:1:20: timeout.overall: expected a duration, found a number; a duration has a unit: 10ms or 10s",
        ),
        (
            "timeout: {attempt: 3sec}\n",
            "bad.yaml:1:20: timeout.attempt: `3sec` is not a duration; a duration has a unit: 250ms, 5s, 2m, 1h",
        ),
        ("retry: {attempts: many}\n", "bad.yaml:1:19: retry.attempts: expected a whole number, found a text"),
        ("retry: {attempts: 11}\n", "bad.yaml:1:19: retry.attempts: from 1 to 10, the first included"),
        (
            "retry: {repeat: keyd}\n",
            "bad.yaml:1:17: retry.repeat: unknown word `keyd`; did you mean `keyed`?",
        ),
        (
            "retry:\n",
            "bad.yaml:1:6: retry: expected a mapping, found nothing; write {} where nothing needs to be said",
        ),
        (
            "retry: {}\nhedge: {}\n",
            "bad.yaml:2:1: hedge: retry and hedge exclude each other: take out one of them",
        ),
        (
            "breaker:\n  window: {tim: 10s}\n",
            "bad.yaml:2:12: breaker.window.tim: unknown key `tim`; did you mean `time`?",
        ),
        ("breaker:\n  open: {max: 90s, factor: 0.5}\n", "bad.yaml:2:28: breaker.open.factor: from 1 to 100"),
        (
            "breaker: {failure_percent: null}\n",
            "bad.yaml:1:28: breaker.failure_percent: nothing opens it: set this, slow_calls or consecutive_failures",
        ),
        (
            "breaker: {minimum_calls: 200}\n",
            "bad.yaml:1:26: breaker.minimum_calls: at most as many as are in the window",
        ),
        (
            "fault_injection: {criticality: low}\n",
            "bad.yaml:1:32: fault_injection.criticality: unknown word `low`; words that may stand here: sheddable, sheddable-plus, critical, critical-plus",
        ),
        ("", "bad.yaml:1:1: expected a mapping, found nothing; write {} where nothing needs to be said"),
        ("- retry\n", "bad.yaml:1:1: expected a mapping, found a list"),
        ("retry: {attempts: 3\n", "bad.yaml:1:8: unclosed bracket '{'"),
    ] {
        fs::write(&file, text).unwrap();
        for verb in
            [&["policy", "check", "bad.yaml"][..], &["policy", "replay", "gen:", "--stack", "bad.yaml"]]
        {
            let ended = world.run(verb);
            let talk = ended.stderr();
            assert_eq!((ended.code(), ended.stdout()), (3, String::new()), "{text}: {talk}");
            assert_eq!(talk.lines().next(), Some(expected), "{text}: {talk}");
            assert!(talk.contains("error[MP-0001]: bad.yaml does not load: 1 problem"), "{talk}");
        }
    }
    fs::write(&file, "#".repeat(9 << 20)).unwrap();
    assert!(world.run(&["policy", "check", "bad.yaml"]).stderr().contains("at most 8388608 are read"));
    fs::write(&file, "retyr: {}\nhegde: {}\n").unwrap();
    let ended = world.run(&["policy", "check", "bad.yaml", "--json"]);
    let problems: serde_json::Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!((ended.code(), &problems[1]["line"], &problems[1]["path"]), (3, &2.into(), &"hegde".into()));
    assert_eq!(world.run(&["policy", "describe", "gone.yaml"]).code(), 3);
}

#[test]
fn a_replay_shows_what_a_stack_is_good_for() {
    let world = world();
    let (without, with) = (
        replay(&world, &[OUTAGE, "--stack", "none.yaml"]),
        replay(&world, &[OUTAGE, "--stack", "cards.yaml"]),
    );
    assert_eq!(without["total"]["calls"], with["total"]["calls"]);
    assert_eq!(without["total"]["p99_ms"], 30_000.0);
    assert!(with["total"]["p99_ms"].as_f64().unwrap() <= 2_000.0);
    assert!(with["amplification"].as_f64().unwrap() < 1.1);
    assert_eq!(
        (&with["rows"][10]["breaker"][0], &with["rows"][30]["breaker"][0]),
        (&"closed".into(), &"open".into())
    );

    let dead = "gen:rate=100/s,for=60s,outage=0s..1d";
    let layers = replay(&world, &[dead, "--stack", "cards.yaml", "--layers", "3"]);
    assert!(layers["amplification"].as_f64().unwrap() <= 1.2);
    assert_eq!(layers["layers"].as_array().unwrap().len(), 3);

    let ended = world.run(&["policy", "replay", OUTAGE, "--stack", "cards.yaml", "--bucket", "10s"]);
    let table = ended.stdout();
    assert!(table.starts_with("from   calls  admitted"), "{table}");
    for part in ["\n20s ", "\ntotal ", "breaker/open ", "amplification: 0.", "let through "] {
        assert!(table.contains(part), "`{part}` is missing in\n{table}");
    }
}

#[test]
fn a_replay_is_the_same_each_time_and_can_be_drawn() {
    let world = world();
    let run = |plot: &str, seed: &str| {
        let ended =
            world.run(&["policy", "replay", OUTAGE, "--stack", "cards.yaml", "--plot", plot, "--seed", seed]);
        assert_eq!((ended.code(), ended.stderr()), (0, format!("drawn into {plot}\n")));
        (ended.stdout(), fs::read_to_string(world.path().join(plot)).unwrap())
    };
    let (first, other) = (run("a.svg", "7"), run("c.svg", "8"));
    assert_eq!(first, run("b.svg", "7"));
    assert!(first.0 != other.0 && first.1 != other.1, "another seed is another run");
    let plot = first.1;
    assert!(plot.starts_with("<svg ") && plot.ends_with("</svg>\n"));
    for part in
        ["prefers-color-scheme:dark", "calls per second", "class=\"open\"", "class=\"attempts\"", ">20s<"]
    {
        assert!(plot.contains(part), "`{part}` is missing in\n{plot}");
    }
    assert_eq!(plot.matches("<text").count(), plot.matches("</text>").count());
}

#[test]
fn a_recorded_trace_is_read_from_a_file_with_its_slips_told() {
    let world = world();
    let file = world.path().join("day.jsonl");
    let lines: String = (0..500)
        .map(|call| {
            let outcome = if call % 50 == 7 { "unavailable" } else { "ok" };
            format!("{{\"at\":\"{}ms\",\"took\":\"8ms\",\"outcome\":\"{outcome}\",\"key\":\"k{call}\",\"principal\":\"ana\"}}\n", call * 10)
        })
        .collect();
    fs::write(&file, &lines).unwrap();
    let without = replay(&world, &["day.jsonl", "--stack", "none.yaml"]);
    assert_eq!(
        (&without["total"]["ok"], &without["total"]["failed_by"]["unavailable"]),
        (&490.into(), &10.into())
    );
    let with = replay(&world, &["day.jsonl", "--stack", "cards.yaml"]);
    assert!(with["total"]["ok"].as_u64() > Some(490) && with["total"]["retried"].as_u64() >= Some(10));
    let narrow = replay(&world, &["day.jsonl", "--stack", "none.yaml", "--capacity", "1"]);
    assert_eq!(narrow["total"]["ok"], 490);

    fs::write(&file, format!("{lines}{{\"at\":\"5s\",\"outcome\":\"fine\"}}\n")).unwrap();
    let ended = world.run(&["policy", "replay", "day.jsonl", "--stack", "none.yaml"]);
    assert_eq!((ended.code(), ended.stdout()), (1, String::new()));
    assert!(
        ended.stderr().contains("day.jsonl:501:27: unknown variant `fine`, expected one of `ok`"),
        "{}",
        ended.stderr()
    );
    assert_eq!(world.run(&["policy", "replay", "gone.jsonl", "--stack", "none.yaml"]).code(), 1);
}

#[test]
fn a_generator_that_cannot_be_read_is_pointed_at() {
    let world = world();
    let run =
        |arguments: &[&str]| world.run(&[&["policy", "replay", "--stack", "none.yaml"], arguments].concat());
    let ended = run(&["gen:rate=200/s,latncy=20ms"]);
    let talk = ended.stderr();
    assert_eq!((ended.code(), ended.stdout()), (2, String::new()));
    assert!(
        talk.starts_with(
            "  gen:rate=200/s,latncy=20ms\n                 ^^^^^^\nerror: unknown setting `latncy`\n"
        ),
        "{talk}"
    );
    assert!(talk.contains("what may stand here: rate, for, arrivals, latency, "), "{talk}");
    for arguments in
        [&["gen:", "--layers", "6"][..], &["gen:", "--bucket", "0s"], &["gen:", "--capacity", "0"], &[]]
    {
        assert_eq!(run(arguments).code(), 2, "{arguments:?}");
    }
}
