//! Shows that nodes share a quota through a real Redis: exactly, through a change of the quota, and through its death
//! in the middle of a run, by each of the rules for that.
#![cfg(not(feature = "shuttle"))]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mamparo_conformance::programs::is_installed;
use mamparo_context::{Clock, Context, ManualClock};
use mamparo_policy::rate_limit::{
    Ask, Given, Quota, RedisStore, SharedRateLimit, SharedRateLimitConfig, SharedStore, StoreDown,
    StoreError, StoreLink, StoreLinkConfig,
};
use mamparo_policy::{Admission, Reason};

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

/// A Redis of the test's own, on a socket in its own folder, without persistence.
struct Redis {
    folder: tempfile::TempDir,
    process: Child,
}

impl Redis {
    fn start() -> Option<Self> {
        if !is_installed("redis-server", "a quota was not shared through Redis") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let process = Self::run(&socket(folder.path()), folder.path());
        Some(Self { folder, process })
    }

    fn run(socket: &Path, folder: &Path) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(socket);
        command.arg("--dir").arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it was there a moment ago");
        let (give_up, wait) = (Duration::from_secs(20), Duration::from_millis(10));
        let mut waited = Duration::ZERO;
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            assert!(waited < give_up, "redis-server does not listen");
            std::thread::sleep(wait);
            waited += wait;
        }
        process
    }

    fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    fn restart(&mut self) {
        self.process = Self::run(&socket(self.folder.path()), self.folder.path());
    }

    fn store(&self) -> RedisStore {
        let url = format!("redis+unix://{}", socket(self.folder.path()).display());
        RedisStore::new(&url, "limit:").expect("a valid address")
    }

    /// A node of its own, with a connection of its own. Its clock is moved by hand; that of the quota is the server's.
    fn node(&self, config: &SharedRateLimitConfig) -> (SharedRateLimit<RedisStore>, ManualClock) {
        let (clock, manual) = Clock::manual();
        (self.node_on(config, clock, StoreLinkConfig::default()), manual)
    }

    fn node_on(
        &self,
        config: &SharedRateLimitConfig,
        clock: Clock,
        link: StoreLinkConfig,
    ) -> SharedRateLimit<RedisStore> {
        let link = StoreLink::new(self.store(), link, clock).expect("a valid link");
        SharedRateLimit::new(config.clone(), Arc::new(link)).expect("a valid limit")
    }

    fn command(&self, words: &[&str]) {
        let socket = socket(self.folder.path());
        let client = redis::Client::open(format!("redis+unix://{}", socket.display())).expect("an address");
        let mut connection = client.get_connection().expect("a connection");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).exec(&mut connection).expect("an answer");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// So slow that nothing is refilled while a test runs.
fn hourly(burst: u32) -> Quota {
    Quota::new(1, HOUR).burst(burst)
}

async fn admitted(node: &SharedRateLimit<RedisStore>, calls: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        admitted += usize::from(node.enter(&Context::root()).await.is_ok());
    }
    admitted
}

#[tokio::test]
async fn three_nodes_share_a_quota_to_the_last_token() {
    let Some(redis) = Redis::start() else { return };
    for block in [1, 7] {
        let config = SharedRateLimitConfig::new(format!("exact {block}"), hourly(50), StoreDown::Closed)
            .leased(block, SECOND * 60);
        let runs: Vec<_> = (0..3)
            .flat_map(|_| {
                let (node, manual) = redis.node(&config);
                std::iter::repeat_n((node, manual), 4)
            })
            .map(|(node, manual)| {
                tokio::spawn(async move {
                    let _still = manual;
                    admitted(&node, 20).await
                })
            })
            .collect();
        let mut total = 0;
        for run in runs {
            total += run.await.expect("no panic");
        }
        assert_eq!(total, 50, "with blocks of {block}");
    }
}

#[tokio::test]
async fn a_refusal_says_when_and_tokens_put_back_are_there_for_all() {
    let Some(redis) = Redis::start() else { return };
    let config = SharedRateLimitConfig::new("refund", hourly(5), StoreDown::Closed);
    let ((one, _), (other, manual)) = (redis.node(&config), redis.node(&config));
    assert_eq!(admitted(&one, 5).await, 5);
    let refusal = other.enter(&Context::root()).await.map(drop).expect_err("none is left");
    assert_eq!(refusal.reason, Reason::OverQuota);
    let after = refusal.retry_after.expect("it is known");
    assert!(after > HOUR - SECOND * 60 && after <= HOUR, "{after:?}");
    one.refund(2).await.expect("the store is there");
    manual.advance(HOUR);
    assert_eq!(admitted(&other, 5).await, 2);
    let standing = one.standing().expect("it was asked");
    assert_eq!((standing.limit, standing.window, standing.remaining), (1, HOUR, 0));
}

#[tokio::test]
async fn time_is_the_servers_and_refills() {
    let Some(redis) = Redis::start() else { return };
    let config = SharedRateLimitConfig::new("refill", Quota::new(1_000, SECOND).burst(1), StoreDown::Closed);
    let clock = Clock::system();
    let generous = StoreLinkConfig { timeout: SECOND * 30, ..StoreLinkConfig::default() };
    let node = redis.node_on(&config, clock.clone(), generous);
    let start = clock.moment();
    let mut total = 0;
    while total < 50 {
        total += admitted(&node, 1).await;
        tokio::task::yield_now().await;
    }
    assert!(clock.moment().since(start) >= Duration::from_millis(48));
}

#[tokio::test]
async fn tokens_stay_when_the_quota_changes_and_a_server_that_forgot_the_script_is_told_again() {
    let Some(redis) = Redis::start() else { return };
    let store = redis.store();
    let (old, new) = (hourly(20), Quota::new(60, HOUR).burst(100));
    let take = |quota, least, most| Ask { key: "change", quota, least, most };
    let given = |given: Given| (given.tokens, given.remaining);
    assert_eq!(given(store.take(&take(&old, 15, 15)).await.expect("given")), (15, 5));
    redis.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(given(store.take(&take(&new, 1, 1)).await.expect("given")), (1, 4));
    assert_eq!(given(store.take(&take(&old, 10, 10)).await.expect("an answer")), (0, 4));
    assert_eq!(given(store.take(&take(&old, 1, 10)).await.expect("given")), (4, 0));
    let nothing = store.take(&take(&new, 1, 1)).await.expect("an answer");
    assert!(nothing.retry_after > SECOND * 50 && nothing.retry_after <= SECOND * 60, "{nothing:?}");
    let nowhere = RedisStore::new("redis+unix:///nowhere", "").expect("an address");
    assert!(matches!(nowhere.take(&take(&old, 1, 1)).await, Err(StoreError(_))));
    redis.command(&["SET", "limit:garbage", "not ours"]);
    let garbage = Ask { key: "garbage", ..take(&old, 1, 1) };
    assert_eq!(given(store.take(&garbage).await.expect("given")), (1, 19));
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_is_lived_without_by_rule_and_found_again() {
    let Some(mut redis) = Redis::start() else { return };
    for (rule, expected) in
        [(StoreDown::Open, 40), (StoreDown::Closed, 0), (StoreDown::LocalShare { nodes: 2 }, 10)]
    {
        let config = SharedRateLimitConfig::new(format!("{rule:?}"), hourly(20), rule);
        let nodes = [redis.node(&config), redis.node(&config)];
        for (node, _) in &nodes {
            assert_eq!(admitted(node, 5).await, 5, "{rule:?}");
        }
        redis.kill();
        for (node, _) in &nodes {
            assert_eq!(admitted(node, 40).await, expected, "{rule:?}, for each node");
        }
        redis.restart();
        assert_eq!(admitted(&nodes[0].0, 1).await, usize::from(rule == StoreDown::Open), "it pauses still");
        for (_, manual) in &nodes {
            manual.advance(SECOND);
        }
        // It keeps nothing on disk: the quota begins anew, and is one again.
        assert_eq!(admitted(&nodes[0].0, 12).await + admitted(&nodes[1].0, 12).await, 20, "{rule:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_under_many_calls_leaves_none_of_them_hanging_and_none_goes_for_nothing() {
    let Some(mut redis) = Redis::start() else { return };
    for block in [1, 5] {
        let config = SharedRateLimitConfig::new(format!("dies {block}"), hourly(1_000), StoreDown::Closed)
            .leased(block, SECOND * 60);
        let went = Arc::new(AtomicUsize::new(0));
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let (node, manual) = redis.node(&config);
                let went = Arc::clone(&went);
                tokio::spawn(async move {
                    let _still = manual;
                    for _ in 0..300 {
                        let goes = node.enter(&Context::root()).await.is_ok();
                        went.fetch_add(usize::from(goes), Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while went.load(Ordering::SeqCst) < 100 {
            tokio::task::yield_now().await;
        }
        redis.kill();
        for run in runs {
            run.await.expect("no panic");
        }
        let went = went.load(Ordering::SeqCst);
        assert!((100..1_000).contains(&went), "{went}: what went before, and what was taken before");
        redis.restart();
    }
}

#[tokio::test]
async fn a_server_that_stands_still_costs_one_timeout() {
    let Some(redis) = Redis::start() else { return };
    let config = SharedRateLimitConfig::new("still", hourly(20), StoreDown::Closed);
    let link = StoreLinkConfig { timeout: Duration::from_millis(50), pause: SECOND * 60 };
    let node = redis.node_on(&config, Clock::system(), link);
    let pid = redis.process.id().to_string();
    let signal =
        |name: &str| Command::new("kill").args([name, pid.as_str()]).status().expect("kill").success();
    assert!(signal("-STOP"));
    let clock = Clock::system();
    let start = clock.moment();
    assert_eq!(admitted(&node, 1_000).await, 0);
    let took = clock.moment().since(start);
    assert!(signal("-CONT"));
    assert!(took >= Duration::from_millis(50) && took < SECOND * 10, "{took:?}");
}
