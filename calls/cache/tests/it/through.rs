//! Reading and writing through the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mamparo_cache::{Change, Loaded, Loader, ReadThrough, Store, WriteError, WriteThrough};
use mamparo_context::Context;
use tokio::sync::Semaphore;

use crate::support::*;

/// A store whose writes take effect when the test says so.
struct Rows {
    rows: Mutex<HashMap<String, u64>>,
    failing: Mutex<Option<u32>>,
    gate: Semaphore,
}

/// A store that takes so many writes before it makes the others wait.
fn rows(open: usize) -> Arc<Rows> {
    Arc::new(Rows { rows: Mutex::default(), failing: Mutex::default(), gate: Semaphore::new(open) })
}

impl Store<String, u64> for Rows {
    type Error = Down;

    async fn write(&self, _: &Context, changes: &[Change<String, u64>]) -> Result<(), Down> {
        self.gate.acquire().await.unwrap().forget();
        if let Some(number) = *self.failing.lock().unwrap() {
            return Err(Down(number));
        }
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            match change.value {
                Some(value) => rows.insert(change.key.clone(), value),
                None => rows.remove(&change.key),
            };
        }
        Ok(())
    }
}

impl Loader<String, u64> for Rows {
    type Error = Down;

    async fn load(&self, _: &Context, key: &String) -> Result<Loaded<u64>, Down> {
        Ok(self.rows.lock().unwrap().get(key).copied().into())
    }
}

#[tokio::test]
async fn who_reads_through_the_cache_never_sees_the_source() {
    let (cache, _) = cache(|builder| builder);
    let rows = rows(0);
    rows.rows.lock().unwrap().insert(KEY.into(), 7);
    let through = ReadThrough::new(cache, Arc::clone(&rows));
    let cx = Context::root();
    assert_eq!(through.get(&cx, &KEY.to_owned()).await.unwrap(), Some(7));
    rows.rows.lock().unwrap().clear();
    assert_eq!(through.get(&cx, &KEY.to_owned()).await.unwrap(), Some(7));
    through.cache().clear();
    assert_eq!(through.get(&cx, &KEY.to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn who_writes_through_the_cache_is_answered_when_the_store_has_it() {
    let (cache, _) = cache(|builder| builder);
    let rows = rows(100);
    let through = WriteThrough::new(cache, Arc::clone(&rows));
    let cx = Context::root();
    through.put(&cx, KEY.into(), 7).await.unwrap();
    assert_eq!((through.cache().get(KEY), rows.rows.lock().unwrap().get(KEY)), (Some(7), Some(&7)));
    through.remove(&cx, KEY.into()).await.unwrap();
    assert_eq!((through.cache().get(KEY), rows.rows.lock().unwrap().get(KEY)), (None, None));
    assert_eq!(through.get(&cx, &KEY.to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_write_that_failed_or_was_dropped_the_store_is_asked() {
    let (cache, _) = cache(|builder| builder);
    let rows = rows(1);
    let through = WriteThrough::new(cache, Arc::clone(&rows));
    let cx = Context::root();
    through.put(&cx, KEY.into(), 1).await.unwrap();
    *rows.failing.lock().unwrap() = Some(500);
    rows.gate.add_permits(1);
    assert!(matches!(through.put(&cx, KEY.into(), 2).await, Err(WriteError::Failed(_))));
    assert_eq!(through.cache().get(KEY), None);
    assert_eq!(through.get(&cx, &KEY.to_owned()).await.unwrap(), Some(1));
    let dropped = through.clone();
    let task = tokio::spawn(async move { dropped.put(&Context::root(), KEY.into(), 3).await });
    settle().await;
    assert_eq!(through.cache().get(KEY), Some(1), "until the store has it, the old value is true");
    task.abort();
    settle().await;
    assert_eq!(through.cache().get(KEY), None);
}

#[tokio::test]
async fn of_two_writes_at_the_same_time_the_cache_keeps_neither() {
    let (cache, _) = cache(|builder| builder);
    let rows = rows(0);
    let through = WriteThrough::new(cache, Arc::clone(&rows));
    let writes: Vec<_> = [1, 2]
        .map(|value| {
            let through = through.clone();
            tokio::spawn(async move { through.put(&Context::root(), KEY.into(), value).await })
        })
        .into();
    settle().await;
    rows.gate.add_permits(2);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(through.cache().get(KEY), None);
    let stored = *rows.rows.lock().unwrap().get(KEY).unwrap();
    assert_eq!(through.get(&Context::root(), &KEY.to_owned()).await.unwrap(), Some(stored));
    rows.gate.add_permits(1);
    through.put(&Context::root(), KEY.into(), 9).await.unwrap();
    assert_eq!(through.cache().get(KEY), Some(9), "the next one alone is kept");
}

#[tokio::test]
async fn a_load_that_a_write_overtakes_is_not_kept() {
    let (cache, _) = cache(|builder| builder);
    let rows = rows(100);
    let source = Source::with(1);
    let gate = source.shut();
    let early = {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(async move { cache.get_or_load(&Context::root(), KEY, source.load()).await })
    };
    settle().await;
    let through = WriteThrough::new(cache, rows);
    through.put(&Context::root(), KEY.into(), 2).await.unwrap();
    gate.open();
    assert_eq!(early.await.unwrap().unwrap(), Some(1));
    assert_eq!(through.cache().get(KEY), Some(2));
}

#[tokio::test]
async fn a_write_that_outlasts_its_deadline_is_indeterminate() {
    let (cache, manual) = cache(|builder| builder);
    let cx = Context::root().with_timeout(cache.clock(), SECOND);
    let through = WriteThrough::new(cache, rows(0));
    let write = tokio::spawn(async move { through.put(&cx, KEY.into(), 1).await });
    settle().await;
    manual.advance(SECOND);
    assert!(matches!(write.await.unwrap(), Err(WriteError::Indeterminate)));
}
