//! One process for each file: a lock beside it that names who holds it, and that tells a crash from a clean end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use mamparo_ledger::OpenError;

/// The lock on a ledger file. The system frees it when the process ends, however it ends.
pub(crate) struct Lock {
    file: File,
    /// Whether the last process that held it did not close the ledger.
    pub(crate) crashed: bool,
}

impl Lock {
    pub(crate) fn take(path: &Path, holder: &str) -> Result<Self, OpenError> {
        let lock_path = beside(path, ".lock");
        let io =
            |error: std::io::Error| OpenError::Io { path: lock_path.clone(), message: error.to_string() };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(io)?;
        let mut last = String::new();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let _ = file.read_to_string(&mut last);
                let holder = if last.is_empty() { "another process".to_owned() } else { last };
                return Err(OpenError::InUse { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.read_to_string(&mut last).map_err(io)?;
        let crashed = !last.is_empty() && last != CLOSED;
        overwrite(&mut file, &format!("process {} ({holder})", std::process::id())).map_err(io)?;
        Ok(Self { file, crashed })
    }

    /// Marks that the ledger was closed, and frees the lock.
    pub(crate) fn release(mut self) {
        if let Err(error) = overwrite(&mut self.file, CLOSED) {
            tracing::warn!(%error, "the ledger was closed, but is not marked so; it is checked on opening");
        }
        // It is freed with the file anyway.
        let _ = self.file.unlock();
    }
}

/// What the lock of a ledger says that was closed.
const CLOSED: &str = "closed";

/// In place, so that it works on a full disk too.
fn overwrite(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// The file of `path`'s name with `suffix` behind it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
