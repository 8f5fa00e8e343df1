//! Two nodes before a real Redis of their own, which is killed and comes back.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mamparo_cache::second::{Reach, RedisOptions, RedisTier, TwoLevel, TwoLevelOptions};
use mamparo_cache::{Cache, EntryOptions, Loaded};
use mamparo_context::{Clock, Context};
use tempfile::TempDir;

use crate::support::*;

type Node = TwoLevel<String, u64>;

/// A Redis that nobody else uses; killed with the test.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// `None`, and a note for the summary, if there is no Redis on this machine.
    fn start(shows: &str) -> Option<Self> {
        if !mamparo_conformance::programs::is_installed("redis-server", shows) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Self::spawn(&folder, port);
        Some(Self { folder, port, process })
    }

    fn spawn(folder: &TempDir, port: u16) -> Child {
        Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = Self::spawn(&self.folder, self.port);
    }

    fn node(&self) -> Node {
        let url = format!("redis://127.0.0.1:{}", self.port);
        let tier = RedisTier::new(&url, "small", RedisOptions::default()).unwrap();
        let cache = Cache::builder("small").stale_while_revalidate(60 * SECOND).build().unwrap();
        let options = TwoLevelOptions {
            timeout: SECOND,
            heartbeat: Duration::from_millis(20),
            ..TwoLevelOptions::default()
        };
        TwoLevel::builder(cache, Arc::new(tier)).options(options).build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks again and again until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let clock = Clock::system();
    let end = clock.moment() + 30 * SECOND;
    while !is_so().await {
        assert!(clock.moment() < end, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn listening(nodes: &[&Node]) {
    for node in nodes {
        until("the node listens", async || node.status().listens).await;
    }
}

async fn get(node: &Node, source: &Source) -> Option<u64> {
    node.get_or_load(&Context::root(), &KEY.into(), source.load()).await.unwrap()
}

#[tokio::test]
async fn callers_on_two_nodes_are_one_load_and_an_invalidation_reaches_both() {
    let Some(server) = Server::start("that nodes share a second level on Redis") else { return };
    let (here, there, source) = (server.node(), server.node(), Source::with(1));
    listening(&[&here, &there]).await;
    let gaps = || here.status().gaps + there.status().gaps;
    let before = gaps();
    let callers: Vec<_> = (0..64)
        .map(|number| {
            let (node, load) = (if number % 2 == 0 { here.clone() } else { there.clone() }, source.load());
            tokio::spawn(async move { node.get_or_load(&Context::root(), &KEY.into(), load).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), Some(1));
    }
    assert_eq!(source.loads(), 1);
    source.set(2);
    assert_eq!(here.invalidate(&Context::root(), &KEY.into()).await, Reach::Everywhere);
    until("the other node is told", async || there.cache().get(KEY).is_none()).await;
    assert_eq!((get(&there, &source).await, get(&here, &source).await), (Some(2), Some(2)));
    assert_eq!((source.loads(), gaps()), (2, before));
}

#[tokio::test]
async fn tags_and_clearing_reach_what_only_redis_has() {
    let Some(server) = Server::start("tags in the second level on Redis") else { return };
    let (here, source, cx) = (server.node(), Source::with(1), Context::root());
    let load = || {
        let source = source.clone();
        move |_: Context| async move {
            let value = source.read(KEY.into()).await?;
            Ok::<_, Down>(Loaded { value, options: EntryOptions::new().tag("drinks") })
        }
    };
    listening(&[&here]).await;
    for (way, loads) in [("nothing", 1), ("tag", 2), ("nothing", 2), ("all", 3), ("other tag", 3)] {
        match way {
            "tag" => _ = here.invalidate_tag(&cx, "drinks").await,
            "other tag" => _ = here.invalidate_tag(&cx, "foods").await,
            "all" => _ = here.clear(&cx).await,
            _ => {}
        }
        // A node that comes now knows nothing but what Redis knows.
        let late = server.node();
        assert_eq!(late.get_or_load(&cx, &KEY.into(), load()).await.unwrap(), Some(1));
        assert_eq!(source.loads(), loads, "{way}");
    }
}

#[tokio::test]
async fn an_invalidation_takes_the_lease_away_from_who_loads() {
    let Some(server) = Server::start("that an invalidation wins on Redis") else { return };
    let (here, there, source) = (server.node(), server.node(), Source::with(1));
    listening(&[&here, &there]).await;
    let gate = source.shut();
    let early = {
        let (node, load) = (there.clone(), source.load());
        tokio::spawn(async move { node.get_or_load(&Context::root(), &KEY.into(), load).await })
    };
    until("the load has begun", async || source.loads() == 1).await;
    source.set(2);
    here.invalidate(&Context::root(), &KEY.into()).await;
    gate.open();
    assert_eq!(early.await.unwrap().unwrap(), Some(1), "it began before the write");
    until("the other node is told", async || there.status().notes == 1).await;
    assert_eq!(there.status().overtaken, 1);
    assert_eq!((get(&here, &source).await, get(&there, &source).await), (Some(2), Some(2)));
}

#[tokio::test]
async fn nodes_live_through_the_death_of_redis() {
    let Some(mut server) = Server::start("that nodes live through the death of Redis") else { return };
    let (here, there, source) = (server.node(), server.node(), Source::with(1));
    listening(&[&here, &there]).await;
    assert_eq!((get(&here, &source).await, get(&there, &source).await), (Some(1), Some(1)));
    server.kill();
    source.set(2);
    assert_eq!(here.invalidate(&Context::root(), &KEY.into()).await, Reach::Later);
    assert_eq!(get(&here, &source).await, Some(2), "from the source");
    until("the other node notices that it is deaf", async || there.status().gaps > 0).await;
    assert!(get(&there, &source).await.is_some(), "stale or new, but served");
    server.restart();
    until("what could not be said is said", async || here.status().queued == 0).await;
    listening(&[&here, &there]).await;
    until("the other node has the new value", async || get(&there, &source).await == Some(2)).await;
    source.set(3);
    until("invalidations reach everywhere again", async || {
        here.invalidate(&Context::root(), &KEY.into()).await == Reach::Everywhere
    })
    .await;
    until("both have the newest", async || {
        (get(&here, &source).await, get(&there, &source).await) == (Some(3), Some(3))
    })
    .await;
}
