//! How a command ends, for scripts. `mamparo --help` lists them, and the pages of `mamparo explain` name theirs.

/// It did what it was asked.
pub(crate) const OK: u8 = 0;
/// Something failed that has no number of its own.
pub(crate) const FAILURE: u8 = 1;
/// The command line cannot be understood.
pub(crate) const USAGE: u8 = 2;
/// The configuration does not load.
pub(crate) const CONFIG: u8 = 3;
/// An address is in use by another program.
pub(crate) const ADDRESS_IN_USE: u8 = 4;
/// The data folder cannot be written.
pub(crate) const DATA_UNWRITABLE: u8 = 5;
/// Another process works in the data folder.
pub(crate) const DATA_IN_USE: u8 = 6;
/// A database is damaged, newer than this program, or none of ours.
pub(crate) const DATA_UNREADABLE: u8 = 7;
/// Nothing runs that could answer.
pub(crate) const NOT_RUNNING: u8 = 8;
/// What was asked for is not there.
pub(crate) const NOT_FOUND: u8 = 9;
/// It is not possible in the state that things are in.
pub(crate) const REFUSED: u8 = 10;

/// The codes with their meaning, as `--help` prints them.
pub(crate) const HELP: &str = "\
Exit codes:
   0  it did what it was asked
   1  something failed that has no number of its own
   2  the command line cannot be understood
   3  the configuration does not load
   4  an address is in use by another program
   5  the data folder cannot be written
   6  another process works in the data folder
   7  a database is damaged, newer than this program, or none of ours
   8  nothing runs that could answer
   9  what was asked for is not there
  10  it is not possible in the state that things are in";

/// Whether starting the same program again can change nothing about this end.
pub(crate) fn is_final(code: i32) -> bool {
    u8::try_from(code).is_ok_and(|code| (USAGE..=DATA_UNREADABLE).contains(&code))
}
