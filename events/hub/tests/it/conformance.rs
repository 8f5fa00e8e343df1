//! The suites that every broker must pass, in process.

mod queue {
    mamparo_conformance::queue_suite!(crate::support::queue_subject);
}

mod log {
    mamparo_conformance::log_suite!(crate::support::log_subject);
}
