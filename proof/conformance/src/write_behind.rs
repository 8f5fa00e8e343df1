//! A cache that writes behind, over a journal of any kind, is killed in the middle of its work, many times: what was
//! acknowledged at the level of the journal is not lost, and the store sees the values of a key in order.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mamparo_cache::journal::Journal;
use mamparo_cache::{Cache, Change, Store, WriteBehind, WriteBehindOptions};
use mamparo_context::{Context, Random};

/// Names the folder in which this process is to work until it is killed.
const CHILD: &str = "MAMPARO_WRITE_BEHIND_CRASH_FOLDER";
const KEYS: u64 = 8;
const KILLS: u64 = 40;

/// A store that is a file to which every write is appended; what it was told survives a kill.
struct Written(Mutex<File>);

impl Written {
    fn open(folder: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("store")).unwrap();
        Self(Mutex::new(file))
    }

    /// Key and value of each write that is whole, in order.
    fn read(folder: &Path) -> Vec<(u64, u64)> {
        let text = std::fs::read_to_string(folder.join("store")).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines
            .map(|line| {
                let (key, value) = line.trim().split_once(' ').unwrap();
                (key.parse().unwrap(), value.parse().unwrap())
            })
            .collect()
    }
}

impl Store<u64, u64> for Written {
    type Error = std::io::Error;

    async fn write(&self, _: &Context, changes: &[Change<u64, u64>]) -> Result<(), Self::Error> {
        let mut file = self.0.lock().unwrap();
        for change in changes {
            // One call for each, so that a kill may come between two.
            file.write_all(format!("{} {}\n", change.key, change.value.unwrap_or(0)).as_bytes())?;
        }
        Ok(())
    }
}

async fn open(folder: &Path, journal: Arc<dyn Journal>) -> WriteBehind<u64, u64, Written> {
    let cache = Cache::builder("crash").capacity(1_000).build().unwrap();
    let options = WriteBehindOptions { linger: Duration::from_millis(2), batch: 3, ..Default::default() };
    let builder = WriteBehind::builder(cache, Written::open(folder)).journal(journal).options(options);
    builder.open().await.unwrap()
}

/// Writes ever larger values to each key, and says each that was acknowledged, until it is killed.
async fn work(folder: PathBuf, journal: Arc<dyn Journal>) {
    let stored: HashMap<u64, u64> = Written::read(&folder).into_iter().collect();
    let behind = open(&folder, journal).await;
    let workers: Vec<_> = (0..KEYS)
        .map(|key| {
            let behind = behind.clone();
            let known = behind.known(&key).flatten().or(stored.get(&key).copied()).unwrap_or(0);
            tokio::spawn(async move {
                for value in known + 1.. {
                    behind.put(&Context::root(), key, value).await.unwrap();
                    // One call for a line, so that lines of several workers do not mix.
                    std::io::stdout().write_all(format!("acked {key} {value}\n").as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// Lets a child work until it has acknowledged so many writes, and kills it.
fn kill_after(this_test: &str, folder: &Path, count: u64, acknowledged: &mut HashMap<u64, u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture", "--test-threads=1"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The line that the kill has torn was not said.
        let Ok(line) = line else { break };
        // What the test's own framework says stands before the first.
        let Some((_, said)) = line.split_once("acked ") else { continue };
        let mut words = said.split(' ').map(str::parse::<u64>);
        let (Some(Ok(key)), Some(Ok(value))) = (words.next(), words.next()) else { continue };
        seen += 1;
        if seen <= count {
            let last = acknowledged.entry(key).or_default();
            *last = (*last).max(value);
        }
        if seen == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= count, "the child ended by itself after {seen} writes");
}

/// Runs the suite in `folder`, an empty one, from the test of the name `this_test` and from nowhere else in its program:
/// that test is started again as a child, which is what is killed. `open_journal` opens the journal below a folder, also
/// after a kill.
///
/// # Panics
/// A value that was acknowledged is not in the store, or a key went back.
pub async fn nothing_that_was_acknowledged_is_lost_by_a_kill<F>(
    this_test: &str,
    folder: &Path,
    open_journal: impl Fn(PathBuf) -> F,
) where
    F: Future<Output = Arc<dyn Journal>>,
{
    if let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) {
        let journal = open_journal(folder.clone()).await;
        return work(folder, journal).await;
    }
    let (random, mut acknowledged) = (Random::seeded(20_261_124), HashMap::new());
    for _ in 0..KILLS {
        kill_after(this_test, folder, 1 + random.below(120), &mut acknowledged);
    }
    let behind = open(folder, open_journal(folder.to_owned()).await).await;
    behind.close(&Context::root()).await.unwrap();
    let mut stored = HashMap::new();
    for (key, value) in Written::read(folder) {
        let last = stored.insert(key, value).unwrap_or(0);
        assert!(last <= value, "key {key} went back from {last} to {value}");
    }
    assert_eq!(acknowledged.len() as u64, KEYS);
    for (key, value) in acknowledged {
        assert!(stored.get(&key).is_some_and(|own| *own >= value), "{key}: {value} was acknowledged");
    }
}
