//! Counts what one call of each row of the bench `policy` allocates, or what the table of the bench `routes` does: a
//! program of its own, for it needs an allocator that counts. Prints a line of tab-separated columns for each: the row,
//! the peer (empty for ours), allocations (bytes for a table).
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

#[path = "policy/rows.rs"]
mod rows;
#[expect(dead_code, reason = "the file is for the bench itself")]
#[path = "routes/table.rs"]
mod table;

/// Calls before those that are counted, so that what is kept is there.
const BEFORE: u32 = 1_000;
const CALLS: u32 = 100;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("routes") => routes(),
        _ => policy(),
    }
}

fn routes() {
    let requests = table::requests(table::ROUTES);
    let mut routing = None;
    // The routes are made in it too, so that what is left of them is counted whole.
    let built = allocation_counter::measure(|| routing = Some(table::routing(table::routes(table::ROUTES))));
    let routing = routing.unwrap();
    let all = || requests.iter().for_each(|(_, request)| assert!(routing.taker(request, 0).is_some()));
    // Once before, so that the automata know their states.
    all();
    let counted = allocation_counter::measure(all);
    println!("allocations\t\t{}", counted.count_total as f64 / requests.len() as f64);
    println!("table\t\t{}", built.bytes_current);
}

fn policy() {
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
