//! What the disk itself can do: the yardstick of every durable figure.

use std::fs::File;
use std::io::Write;

use crate::report::{Figure, Report};
use crate::run::{Plan, repeat};

/// Bytes of a small record with its header, as a log appends it.
const RECORD_BYTES: usize = 288;
const BLOCK_BYTES: usize = 4 * 1024 * 1024;

pub(crate) fn bench(plan: &Plan) -> Report {
    let mut report = Report::new("disk");
    let mut file = File::create(plan.folder.join("records")).unwrap();
    let syncs = repeat(plan.seconds, || {
        file.write_all(&[7; RECORD_BYTES]).unwrap();
        file.sync_data().unwrap();
        1
    });
    report.push(Figure::new("append of 288 bytes with fdatasync", syncs.per_second, "1/s"));
    report.push(Figure::new("  p50", syncs.latency.value_at_quantile(0.5) as f64, "us"));
    report.push(Figure::new("  p99", syncs.latency.value_at_quantile(0.99) as f64, "us"));
    let mut file = File::create(plan.folder.join("blocks")).unwrap();
    let block = vec![7; BLOCK_BYTES];
    let blocks = repeat(plan.seconds, || {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        BLOCK_BYTES
    });
    report.push(Figure::new("append of 4 MiB with fdatasync", blocks.per_second / 1e6, "MB/s"));
    report
}
