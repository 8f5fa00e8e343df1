//! Bodies on their way, however they are cut into pieces.

mod compress;
mod script;
