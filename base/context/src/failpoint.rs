//! Named places in the code at which a test can kill the process, to prove that recovery works from there.
//!
//! Without the feature `failpoints` a call compiles to nothing. With it, two environment variables decide:
//! `MAMPARO_FAILPOINT=name` or `name:3` aborts the process when the place is reached for the first or the third
//! time; `MAMPARO_FAILPOINT_TRACE=file` appends every name to that file each time it is reached, which is how a
//! test finds out which places exist.

/// The process may die here.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_name: &'static str) {}

/// The process may die here.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &'static str) {
    armed::reach(name);
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Plan {
        abort_at: Option<(String, u64)>,
        hits: AtomicU64,
        trace: Option<File>,
    }

    fn plan() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(|| {
            let abort_at = std::env::var("MAMPARO_FAILPOINT").ok().map(|text| match text.rsplit_once(':') {
                Some((name, hit)) => (name.to_owned(), hit.parse().unwrap_or(1)),
                None => (text, 1),
            });
            let trace = std::env::var_os("MAMPARO_FAILPOINT_TRACE")
                .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
            Plan { abort_at, hits: AtomicU64::new(0), trace }
        })
    }

    pub(super) fn reach(name: &'static str) {
        let plan = plan();
        if let Some(mut trace) = plan.trace.as_ref() {
            // One write of one line, so that lines of several threads do not mix.
            let _ = trace.write_all(format!("{name}\n").as_bytes());
        }
        if let Some((wanted, hit)) = &plan.abort_at
            && wanted == name
            && plan.hits.fetch_add(1, Ordering::SeqCst) + 1 == *hit
        {
            std::process::abort();
        }
    }
}
