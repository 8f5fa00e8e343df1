//! How things are called that are counted, timed and traced, and handles to do it with. One table, so that a
//! dashboard written against it stays true. It exports nothing and performs no I/O: exporters live in the node.

pub mod access;
pub mod buckets;
pub mod metrics;
mod recorder;
mod register;
mod span;
pub mod spans;

pub use prometheus_client::encoding::EncodeLabelSet;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
pub use prometheus_client::registry::Registry;
pub use recorder::{Recorded, Sink, install, is_recording, record, recorded, samples};
pub use register::{CounterName, GaugeName, HistogramName};
pub use span::{Kind, Place, Span, Value};
