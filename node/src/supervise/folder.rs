//! The data folder: made, proven writable, and claimed by one supervisor at a time.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mamparo_context::Clock;

use crate::failure::Failure;
use crate::output;
use crate::stop::CHILDREN_LOCK;

/// How long the processes of a run that was killed may take to drain.
const CHILDREN_WAIT: Duration = Duration::from_secs(15);

/// A data folder that is claimed by this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) data: PathBuf,
    /// Where what belongs to the run lies: locks, addresses, the configuration.
    pub(crate) run: PathBuf,
    _claim: File,
}

/// Makes the data folder, only for the user that this process belongs to, and proves that it can be written.
pub(crate) fn prepare(data: &Path) -> Result<PathBuf, Failure> {
    let unwritable = |error: io::Error| Failure::data_unwritable(data, error);
    let data = std::path::absolute(data).map_err(unwritable)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&data).map_err(unwritable)?;
    let proof = data.join(format!(".writable-{}", std::process::id()));
    File::create(&proof).and_then(|_| fs::remove_file(&proof)).map_err(unwritable)?;
    Ok(data)
}

impl Folder {
    /// Claims the data folder, and waits for the processes of a run that was killed.
    pub(crate) async fn claim(data: &Path, clock: &Clock) -> Result<Self, Failure> {
        let data = prepare(data)?;
        let unwritable = |error: io::Error| Failure::data_unwritable(&data, error);
        let run = data.join("run");
        DirBuilder::new().recursive(true).mode(0o700).create(&run).map_err(unwritable)?;
        let claim = Self::lock(&run.join("up.lock"), &data)?;
        wait_for_children(&run.join(CHILDREN_LOCK), &data, clock).await?;
        Ok(Self { run, _claim: claim, data })
    }

    fn lock(path: &Path, data: &Path) -> Result<File, Failure> {
        let unwritable = |error: io::Error| Failure::data_unwritable(data, error);
        let open = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let mut claim = open.map_err(unwritable)?;
        match claim.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // A holder that has not written its name yet stays nameless.
                let _ = claim.take(200).read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another `mamparo up`" } else { holder.trim() };
                return Err(Failure::data_in_use(data, holder));
            }
        }
        let name = format!("`mamparo up`, process {}\n", std::process::id());
        let write =
            claim.set_len(0).and_then(|()| claim.rewind()).and_then(|()| claim.write_all(name.as_bytes()));
        write.map_err(unwritable)?;
        Ok(claim)
    }
}

/// Every child holds this lock as long as it lives.
async fn wait_for_children(path: &Path, data: &Path, clock: &Clock) -> Result<(), Failure> {
    let unwritable = |error: io::Error| Failure::data_unwritable(data, error);
    let lock = File::options().create(true).append(true).open(path).map_err(unwritable)?;
    let (since, mut said) = (clock.now(), false);
    loop {
        match lock.try_lock() {
            Ok(()) => return lock.unlock().map_err(unwritable),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            Err(TryLockError::WouldBlock) if clock.now().duration_since(since) > CHILDREN_WAIT => {
                return Err(Failure::data_in_use(data, "processes of the last run, which do not end"));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut said, true) {
            output::talk("waiting for the processes of the last run to finish");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Puts `text` into a file that is either the old one or the new one, whatever happens.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    fs::rename(&next, path)
}
