//! The file of a journal: which records it holds still, where they stand, and when it is worth writing it anew.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::OpenError;
use crate::journal::Record;
use crate::journal::frame::{self, BEFORE_PAYLOAD, Frame, MAGIC};
use crate::limits::ACKNOWLEDGED_AT_ONCE;

/// Why what was pending is not on disk.
pub(super) enum Failure {
    /// And nothing of it is.
    Nothing(io::Error),
    /// Or perhaps it is.
    Unknown(io::Error),
}

/// Where the payload of a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: u64,
    size: usize,
}

impl Place {
    fn whole(self) -> u64 {
        (self.size + BEFORE_PAYLOAD) as u64
    }
}

pub(super) struct Log {
    path: PathBuf,
    file: File,
    compact_bytes: u64,
    /// Bytes of the file that count.
    length: u64,
    live: BTreeMap<u64, Place>,
    live_bytes: u64,
    /// What is to be written next, and what it changes.
    pending: Vec<u8>,
    appended: Vec<(u64, Place)>,
    acknowledged: Vec<u64>,
    is_broken: bool,
}

impl Log {
    /// Opens it; says how many bytes were cut off its end.
    pub(super) fn open(path: &Path, compact_bytes: u64) -> Result<(Self, u64), OpenError> {
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(OpenError::InUse { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error)?;
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            file.write_all_at(MAGIC, 0).and_then(|()| file.sync_data()).map_err(io_error)?;
            sync_folder(path).map_err(io_error)?;
            bytes = MAGIC.to_vec();
        }
        if !bytes.starts_with(MAGIC) {
            return Err(OpenError::NotAJournal { path: path.to_owned() });
        }
        let mut log = Self {
            path: path.to_owned(),
            file,
            compact_bytes,
            length: MAGIC.len() as u64,
            live: BTreeMap::new(),
            live_bytes: 0,
            pending: Vec::new(),
            appended: Vec::new(),
            acknowledged: Vec::new(),
            is_broken: false,
        };
        log.read(&bytes);
        let torn = bytes.len() as u64 - log.length;
        if torn > 0 {
            log.file.set_len(log.length).and_then(|()| log.file.sync_data()).map_err(io_error)?;
            tracing::warn!(path = %path.display(), bytes = torn, "the torn end of the journal was cut off");
        }
        Ok((log, torn))
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut at = MAGIC.len();
        while let Some((frame, size)) = frame::read(&bytes[at..]) {
            match frame {
                Frame::Appended { id, payload } => {
                    self.add(id, Place { at: (at + BEFORE_PAYLOAD) as u64, size: payload.len() });
                }
                Frame::Acknowledged(ids) => ids.iter().for_each(|id| self.forget(*id)),
            }
            at += size;
        }
        self.length = at as u64;
    }

    fn add(&mut self, id: u64, place: Place) {
        self.live_bytes += place.whole();
        if let Some(old) = self.live.insert(id, place) {
            self.live_bytes -= old.whole();
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(place) = self.live.remove(&id) {
            self.live_bytes -= place.whole();
        }
    }

    pub(super) fn append(&mut self, record: &Record) {
        let at = self.length + (self.pending.len() + BEFORE_PAYLOAD) as u64;
        self.appended.push((record.id, Place { at, size: record.payload.len() }));
        frame::write_record(&mut self.pending, record.id, &record.payload);
    }

    pub(super) fn acknowledge(&mut self, ids: &[u64]) {
        self.acknowledged.extend_from_slice(ids);
        ids.chunks(ACKNOWLEDGED_AT_ONCE).for_each(|ids| frame::write_acknowledgement(&mut self.pending, ids));
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Writes what is pending. Records are on disk then; acknowledgements need not be.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        let pending = std::mem::take(&mut self.pending);
        let (appended, acknowledged) =
            (std::mem::take(&mut self.appended), std::mem::take(&mut self.acknowledged));
        if pending.is_empty() {
            return Ok(());
        }
        if self.is_broken {
            return Err(Failure::Nothing(io::Error::other("it has failed before, and must be opened again")));
        }
        if let Err(error) = self.file.write_all_at(&pending, self.length) {
            return Err(self.take_back(error));
        }
        if !appended.is_empty()
            && let Err(error) = self.file.sync_data()
        {
            // What the system has thrown away it does not say a second time: nothing can be promised any more.
            self.is_broken = true;
            return Err(Failure::Unknown(error));
        }
        self.length += pending.len() as u64;
        appended.into_iter().for_each(|(id, place)| self.add(id, place));
        acknowledged.into_iter().for_each(|id| self.forget(id));
        Ok(())
    }

    /// After a write that failed, as on a full disk: what it has left is cut off.
    fn take_back(&mut self, error: io::Error) -> Failure {
        match self.file.set_len(self.length).and_then(|()| self.file.sync_data()) {
            Ok(()) => Failure::Nothing(error),
            Err(_) => {
                self.is_broken = true;
                Failure::Unknown(error)
            }
        }
    }

    pub(super) fn replay(&self, after: Option<u64>, max: usize) -> io::Result<Vec<Record>> {
        let Some(from) = after.map_or(Some(0), |after| after.checked_add(1)) else { return Ok(Vec::new()) };
        let read =
            |(id, place): (&u64, &Place)| Ok(Record { id: *id, payload: self.payload(*place)?.into() });
        self.live.range(from..).take(max).map(read).collect()
    }

    fn payload(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; place.size];
        self.file.read_exact_at(&mut bytes, place.at)?;
        Ok(bytes)
    }

    /// Writes the file anew, with what is still needed, when that is less than half of it.
    pub(super) fn compact_if_worth_it(&mut self) -> io::Result<()> {
        if self.is_broken || self.length <= self.compact_bytes || self.live_bytes * 2 > self.length {
            return Ok(());
        }
        let path = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        // Who opens the journal right after the rename finds it in use.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(MAGIC)?;
        let (mut live, mut length) = (BTreeMap::new(), MAGIC.len() as u64);
        for (id, place) in &self.live {
            let mut bytes = Vec::with_capacity(place.size + BEFORE_PAYLOAD);
            frame::write_record(&mut bytes, *id, &self.payload(*place)?);
            file.write_all(&bytes)?;
            live.insert(*id, Place { at: length + BEFORE_PAYLOAD as u64, size: place.size });
            length += bytes.len() as u64;
        }
        file.sync_data()?;
        std::fs::rename(&path, &self.path)?;
        file.seek(SeekFrom::End(0))?;
        (self.file, self.live, self.length, self.live_bytes) =
            (file, live, length, length - MAGIC.len() as u64);
        // Until its folder is synced, an end of the machine may bring the old file back, which says the same and
        // lacks what is appended from here on.
        sync_folder(&self.path).inspect_err(|_| self.is_broken = true)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
