//! How entries live: fresh, stale, refreshed, evicted, invalidated.

use std::time::Duration;

use mamparo_cache::{Cache, CacheMetrics, EntryOptions, Freshness};
use mamparo_context::{Clock, Context, Random};
use mamparo_telemetry::Registry;

use crate::support::*;

async fn get(cache: &Small, source: &Source) -> Option<u64> {
    cache.get_or_load(&Context::root(), KEY, source.load()).await.unwrap()
}

#[tokio::test]
async fn an_entry_ends_with_its_time_to_live() {
    let (cache, manual) = cache(|builder| builder.time_to_live(10 * SECOND));
    cache.insert(KEY.into(), 7);
    cache.insert_with("short".into(), 1, &EntryOptions::new().time_to_live(SECOND));
    manual.advance(SECOND);
    assert_eq!((cache.get(KEY), cache.get("short")), (Some(7), None));
    manual.advance(9 * SECOND);
    assert_eq!(cache.get(KEY), None);
    assert!(cache.is_empty(), "what has ended goes when it is looked at");
    assert_eq!(cache.metrics().expired, 2);
}

#[tokio::test]
async fn an_entry_that_is_read_stays_and_one_that_is_not_goes() {
    let (cache, manual) = cache(|builder| builder.time_to_idle(10 * SECOND));
    cache.insert(KEY.into(), 7);
    cache.insert("idle".into(), 8);
    for _ in 0..5 {
        manual.advance(6 * SECOND);
        assert_eq!(cache.get(KEY), Some(7));
    }
    assert_eq!(cache.get("idle"), None);
}

#[tokio::test]
async fn what_is_stale_is_served_while_it_is_loaded() {
    let (cache, manual) = cache(|builder| builder.time_to_live(SECOND).stale_while_revalidate(10 * SECOND));
    let source = Source::with(1);
    assert_eq!(get(&cache, &source).await, Some(1));
    source.set(2);
    manual.advance(2 * SECOND);
    let gate = source.shut();
    for _ in 0..10 {
        assert_eq!(get(&cache, &source).await, Some(1));
        settle().await;
    }
    assert_eq!(source.loads(), 2, "ten readers, one refresh");
    gate.open();
    settle().await;
    assert_eq!(get(&cache, &source).await, Some(2));
    assert_eq!((cache.metrics().stale, cache.metrics().refreshes), (10, 1));
}

#[tokio::test]
async fn what_is_stale_is_served_when_the_source_fails_and_the_source_is_left_alone_for_a_while() {
    let (cache, manual) =
        cache(|builder| builder.time_to_live(SECOND).stale_if_error(60 * SECOND).error_pause(5 * SECOND));
    let source = Source::with(1);
    assert_eq!(get(&cache, &source).await, Some(1));
    manual.advance(2 * SECOND);
    source.fail(Some(503));
    for _ in 0..10 {
        assert_eq!(get(&cache, &source).await, Some(1));
    }
    assert_eq!(source.loads(), 2, "one failed, and nobody tried again at once");
    manual.advance(5 * SECOND);
    source.fail(None);
    source.set(2);
    assert_eq!(get(&cache, &source).await, Some(2));
    source.fail(Some(503));
    manual.advance(62 * SECOND);
    cache.get_or_load(&Context::root(), KEY, source.load()).await.unwrap_err();
}

#[tokio::test]
async fn a_slow_load_is_not_waited_for_longer_than_the_soft_timeout_and_is_stored_late() {
    let (cache, manual) = cache(|builder| {
        builder.time_to_live(SECOND).stale_if_error(60 * SECOND).soft_timeout(Duration::from_millis(100))
    });
    let source = Source::with(1);
    assert_eq!(get(&cache, &source).await, Some(1));
    source.set(2);
    manual.advance(2 * SECOND);
    let gate = source.shut();
    let reader = {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(async move { get(&cache, &source).await })
    };
    settle().await;
    assert!(!reader.is_finished());
    manual.advance(Duration::from_millis(100));
    assert_eq!(reader.await.unwrap(), Some(1));
    gate.open();
    settle().await;
    assert_eq!(cache.get(KEY), Some(2));
    assert_eq!(source.loads(), 2);
    let metrics = cache.metrics();
    assert_eq!((metrics.hits, metrics.stale, metrics.misses), (1, 1, 1));
}

#[tokio::test]
async fn without_an_old_entry_the_soft_timeout_is_nothing() {
    let (cache, manual) = cache(|builder| builder.soft_timeout(Duration::from_millis(100)));
    let source = Source::with(1);
    let gate = source.shut();
    let reader = {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(async move { get(&cache, &source).await })
    };
    settle().await;
    manual.advance(SECOND);
    settle().await;
    assert!(!reader.is_finished());
    gate.open();
    assert_eq!(reader.await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_absence_is_known_for_its_own_time_and_cleared_by_a_write() {
    let (cache, manual) = cache(|builder| builder.negative(SECOND));
    let source = Source::default();
    assert_eq!((get(&cache, &source).await, get(&cache, &source).await), (None, None));
    assert_eq!(source.loads(), 1);
    manual.advance(SECOND);
    assert_eq!(get(&cache, &source).await, None);
    assert_eq!(source.loads(), 2);
    cache.insert(KEY.into(), 7);
    assert_eq!(get(&cache, &source).await, Some(7));
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn without_negative_caching_a_load_that_finds_nothing_ends_the_old_entry() {
    let (cache, manual) = cache(|builder| builder.time_to_live(SECOND).stale_while_revalidate(60 * SECOND));
    let source = Source::with(1);
    assert_eq!(get(&cache, &source).await, Some(1));
    source.remove();
    manual.advance(2 * SECOND);
    assert_eq!(get(&cache, &source).await, Some(1));
    settle().await;
    assert_eq!(get(&cache, &source).await, None);
    assert!(cache.is_empty());
}

#[tokio::test]
async fn an_expensive_entry_is_refreshed_before_its_end_by_one_reader() {
    let (cache, manual) = cache(|builder| builder.time_to_live(100 * SECOND).early_refresh(1.0));
    let source = Source::with(1);
    let gate = source.shut();
    let reader = {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(async move { get(&cache, &source).await })
    };
    settle().await;
    manual.advance(10 * SECOND);
    gate.pass_one();
    assert_eq!(reader.await.unwrap(), Some(1));
    assert_eq!(cache.look(KEY).unwrap().cost, 10 * SECOND);
    source.set(2);
    manual.advance(95 * SECOND);
    for _ in 0..100 {
        assert_eq!(get(&cache, &source).await, Some(1), "it is fresh until its end");
        settle().await;
    }
    assert_eq!(source.loads(), 2);
    gate.open();
    settle().await;
    assert_eq!(get(&cache, &source).await, Some(2));
}

#[tokio::test]
async fn entries_that_were_written_together_do_not_end_together() {
    let (cache, manual) = cache(|builder| builder.time_to_live(100 * SECOND).jitter(0.5));
    for number in 0..500 {
        cache.insert(number.to_string(), number);
    }
    manual.advance(75 * SECOND);
    cache.sweep();
    assert!((150..350).contains(&cache.len()), "{} of 500 are left", cache.len());
    manual.advance(25 * SECOND);
    cache.sweep();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn a_tag_ends_all_that_bear_it() {
    let (cache, _) = cache(|builder| builder);
    cache.insert_with("mate".into(), 1, &EntryOptions::new().tag("drinks").tag("hot"));
    cache.insert_with("tea".into(), 2, &EntryOptions::new().tag("hot"));
    cache.insert("bread".into(), 3);
    cache.invalidate_tag("drinks");
    assert_eq!((cache.get("mate"), cache.get("tea"), cache.get("bread")), (None, Some(2), Some(3)));
    cache.insert_with("mate".into(), 4, &EntryOptions::new().tag("drinks"));
    cache.invalidate_tag("unheard of");
    assert_eq!(cache.get("mate"), Some(4), "what is written after the invalidation is true");
    cache.clear();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn under_suspicion_everything_is_stale_and_nothing_is_gone() {
    let (cache, manual) = cache(|builder| builder.stale_while_revalidate(10 * SECOND));
    let source = Source::with(2);
    cache.insert(KEY.into(), 1);
    cache.suspect_all();
    assert_eq!(cache.look(KEY).unwrap().freshness, Freshness::Stale);
    assert_eq!(cache.get(KEY), None, "who cannot refresh is not served what may be wrong");
    assert_eq!(get(&cache, &source).await, Some(1));
    settle().await;
    assert_eq!(get(&cache, &source).await, Some(2));
    assert_eq!(cache.get(KEY), Some(2), "what was loaded since is true");
    manual.advance(11 * SECOND);
    assert_eq!(cache.get(KEY), Some(2));
}

#[test]
fn weight_decides_how_much_finds_room() {
    let cache = Cache::<u64, String>::builder("heavy")
        .capacity(10_000)
        .weigher(|_, value| value.len() as u32)
        .build()
        .unwrap();
    for number in 0..1_000 {
        cache.insert(number, "x".repeat(100));
    }
    assert!(cache.weight() <= 10_000, "{}", cache.weight());
    assert!((50..=100).contains(&cache.len()), "{}", cache.len());
    assert_eq!(cache.metrics().evicted, 1_000 - cache.len() as u64);
    cache.insert_with(5_000, String::new(), &EntryOptions::new().weight(200_000));
    assert_eq!(cache.get(&5_000), None, "what is heavier than all of it is not let in");
}

#[test]
fn a_scan_does_not_wash_out_what_is_used() {
    let cache = Cache::<u64, u64>::builder("scanned").capacity(1_000).build().unwrap();
    let hot = 0..500;
    for _ in 0..3 {
        hot.clone().for_each(|key| {
            if cache.get(&key).is_none() {
                cache.insert(key, key);
            }
        });
    }
    (10_000..60_000).for_each(|key| cache.insert(key, key));
    let kept = hot.filter(|key| cache.get(key).is_some()).count();
    assert!(kept > 450, "{kept} of 500 survived a scan of fifty times the capacity");
}

#[test]
fn coarse_time_ends_entries_too() {
    let (clock, manual) = Clock::manual();
    let builder = Cache::<u8, u8>::builder("coarse").time_to_live(SECOND).coarse_time();
    let cache = builder.clock(clock.clone()).random(Random::seeded(1)).build().unwrap();
    cache.insert(1, 1);
    assert_eq!((cache.get(&1), cache.get_at(&1, clock.moment())), (Some(1), Some(1)));
    manual.advance(SECOND);
    assert_eq!(cache.get(&1), None);
}

#[test]
fn metrics_stand_under_the_name_of_the_cache() {
    let mut registry = Registry::default();
    let mut metrics = CacheMetrics::register(&mut registry);
    let (cache, _) = cache(|builder| builder);
    cache.watch(&mut metrics);
    cache.insert(KEY.into(), 1);
    assert_eq!((cache.get(KEY), cache.get("nothing")), (Some(1), None));
    metrics.refresh();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"mamparo_cache_reads_total{cache="small",kind="hit"} 1"#,
        r#"mamparo_cache_reads_total{cache="small",kind="miss"} 1"#,
        r#"mamparo_cache_evictions_total{cache="small",cause="expired"} 0"#,
        r#"mamparo_cache_entries{cache="small"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!((cache.metrics().hit_ratio() - 0.5).abs() < 1e-9);
}

#[tokio::test]
async fn a_tag_that_is_invalidated_during_a_read_wins_over_what_was_read() {
    let (cache, _manual) = cache(|builder| builder);
    let tagged = EntryOptions::new().tag("menu");
    let (early, other) = (cache.reading(), cache.reading());
    cache.invalidate_tag("menu");
    let late = cache.reading();
    early.insert_with("early".into(), 1, &tagged);
    other.insert_with("other".into(), 2, &EntryOptions::new());
    late.insert_with("late".into(), 3, &tagged);
    assert_eq!((cache.get("early"), cache.get("other"), cache.get("late")), (None, Some(2), Some(3)));
}

#[tokio::test]
async fn what_a_condition_applies_to_goes_and_its_load_is_not_stored() {
    let (cache, _manual) = cache(|builder| builder);
    for (key, value) in [("a/1", 1), ("a/2", 2), ("b/1", 3)] {
        cache.insert(key.into(), value);
    }
    let source = Source::with(7);
    let gate = source.shut();
    let load = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { cache.get_or_load(&Context::root(), "a/3", source.load()).await }
    });
    settle().await;
    let below = |key: &String| key.starts_with("a/");
    assert_eq!(cache.invalidate_if(below, |key, value| below(key) && *value != 2), 1);
    gate.open();
    assert_eq!(load.await.unwrap().unwrap(), Some(7), "who waits gets it");
    assert_eq!(["a/1", "a/2", "a/3", "b/1"].map(|key| cache.get(key)), [None, Some(2), None, Some(3)]);
}

#[test]
fn where_the_heaviest_is_known_a_shard_has_room_for_it() {
    for heaviest in [1_u32, 1_000, 20_000, 100_000] {
        let cache = Cache::<u32, u32>::builder("heavy")
            .capacity(400_000)
            .weigher(|_, weight| *weight)
            .weights(1_000, u64::from(heaviest))
            .build()
            .unwrap();
        for key in 0..20 {
            cache.insert(key, heaviest);
            assert_eq!(cache.get(&key), Some(heaviest), "{heaviest}");
            assert!(cache.weight() <= 400_000);
        }
    }
}
