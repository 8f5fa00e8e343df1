//! Exit codes of every verb, and the one error that ends a verb before it has an answer. Code 2 (wrong usage)
//! is given by the command line parser.

use std::fmt;

/// The verb did its work and all is well.
pub(crate) const GOOD: u8 = 0;
/// The verb did its work and found a problem, or a test failed.
pub(crate) const BAD: u8 = 1;
/// The verb could not do its work: a program, a file or a crate is not there.
pub(crate) const UNABLE: u8 = 3;

/// Why a verb could not do its work.
#[derive(Debug)]
pub(crate) struct Unable(pub(crate) String);

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
