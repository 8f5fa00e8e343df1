//! The process is killed once at every named place of the durable core, and the journey is finished by the next
//! process: nothing that was acknowledged is lost, and nothing takes effect twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use tempfile::tempdir;

use crate::journey;

/// Tells the test that it is a process to be killed, and where its files are.
const FOLDER: &str = "MAMPARO_JOURNEY_FOLDER";
const ABORTED: i32 = 6;
/// Most hits of one place that are tried.
const HITS_PER_PLACE: usize = 4;

/// Runs this very test as another process, on the files in `folder`.
fn process(folder: &Path, variable: (&str, &str)) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failpoints::every_place_can_be_the_last", "--nocapture"])
        .env(FOLDER, folder)
        .env(variable.0, variable.1)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn assert_succeeded(output: &Output, what: &str) {
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{talk}", output.status);
}

/// Every place that a whole journey comes by, with how often.
fn places() -> BTreeMap<String, usize> {
    let folder = tempdir().unwrap();
    let trace = folder.path().join("trace");
    let output = process(folder.path(), ("MAMPARO_FAILPOINT_TRACE", trace.to_str().unwrap()));
    assert_succeeded(&output, "a journey that nobody disturbs");
    let mut places = BTreeMap::new();
    for name in std::fs::read_to_string(trace).unwrap().lines() {
        *places.entry(name.to_owned()).or_insert(0) += 1;
    }
    places
}

/// Kills a journey at the place, and finishes it. False when the process came by too seldom to be killed.
fn kill_and_finish(place: &str, hit: usize) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let folder = tempdir().unwrap();
    let killed = process(folder.path(), ("MAMPARO_FAILPOINT", &format!("{place}:{hit}")));
    if killed.status.signal() != Some(ABORTED) {
        assert_succeeded(&killed, &format!("{place}, which was reached less than {hit} times"));
        return false;
    }
    let finished = process(folder.path(), ("MAMPARO_FAILPOINT", "none"));
    assert_succeeded(&finished, &format!("after a kill at {place}, hit {hit}"));
    true
}

/// The hits at which a place is killed: the first, and others spread over the journey; with `MAMPARO_EVERY_HIT` in
/// the environment all of them.
fn chosen(hits: usize) -> impl Iterator<Item = usize> {
    let most = if std::env::var_os("MAMPARO_EVERY_HIT").is_some() { hits } else { HITS_PER_PLACE };
    (1..=hits).step_by(hits.div_ceil(most))
}

#[test]
fn every_place_can_be_the_last() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(journey::run(Path::new(&folder)));
    }
    let places = places();
    eprintln!("{} places: {places:?}", places.len());
    assert!(places.len() >= 15, "the durable core has lost its failpoints: {places:?}");
    let kills: Vec<_> =
        places.iter().flat_map(|(place, hits)| chosen(*hits).map(move |hit| (place, hit))).collect();
    let (total, next) = (kills.len(), Mutex::new(kills.into_iter()));
    let killed = Mutex::new(BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((place, hit)) = next.lock().unwrap().next() else { return };
                    if kill_and_finish(place, hit) {
                        *killed.lock().unwrap().entry(place).or_default() += 1;
                    }
                }
            });
        }
    });
    let killed = killed.into_inner().unwrap();
    eprintln!("{} of {total} kills landed", killed.values().sum::<usize>());
    // The first hit of a place that every journey comes by always lands.
    let never: Vec<_> = places.keys().filter(|place| !killed.contains_key(place.as_str())).collect();
    assert!(never.is_empty(), "never killed at {never:?}");
}
