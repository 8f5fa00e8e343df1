//! What is measured: a policy of ours, and peers that do the same. One program times them, another one counts what
//! they allocate.

#[path = "rows/bare.rs"]
mod bare;
#[path = "rows/layers.rs"]
mod layers;

use std::hint::black_box;

/// One thing that is called. Each thread calls a clone of its own.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// A function that makes so many calls.
    pub(crate) fresh: Box<dyn Fn() -> Box<dyn FnMut(u32) + Send> + Send>,
}

/// Ours, and its peers.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) own: Subject,
    pub(crate) peers: Vec<Subject>,
}

/// All rows, in the order in which they are printed. Within a runtime, for layers that want one.
pub(crate) fn all() -> Vec<Row> {
    bare::rows().into_iter().chain(layers::rows()).collect()
}

/// One call, made by anybody who has a clone.
fn subject(name: &'static str, call: impl FnMut() + Clone + Send + 'static) -> Subject {
    let fresh = move || -> Box<dyn FnMut(u32) + Send> {
        let mut call = call.clone();
        Box::new(move |times| (0..times).for_each(|_| black_box(&mut call)()))
    };
    Subject { name, fresh: Box::new(fresh) }
}
