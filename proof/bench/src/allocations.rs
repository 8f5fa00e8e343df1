//! Counts what one call of each row of the bench `policy` allocates: a program of its own, for it needs an allocator
//! that counts. Prints a line of tab-separated columns for each: the row, the peer (empty for ours), allocations.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

#[path = "policy/rows.rs"]
mod rows;

/// Calls before those that are counted, so that what is kept is there.
const BEFORE: u32 = 1_000;
const CALLS: u32 = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    for row in rows::all() {
        for subject in std::iter::once(&row.own).chain(&row.peers) {
            let mut call = (subject.fresh)();
            call(BEFORE);
            let counted = allocation_counter::measure(|| call(CALLS));
            println!("{}\t{}\t{}", row.what, subject.name, counted.count_total as f64 / f64::from(CALLS));
        }
    }
}
