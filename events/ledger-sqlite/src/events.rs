//! Events: appended by the writer, read by everybody.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mamparo_context::{Ids, Timestamp};
use mamparo_ledger::{Appended, Error, Expected, NewEvent, Recorded, Result, StreamName, params};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::error;
use crate::limits::STREAMS_REMEMBERED_MAX;
use crate::row::{bind, execute, prepare};

/// What the writer remembers of the streams, so that an append need not look them up.
#[derive(Default)]
pub(crate) struct Streams {
    known: HashMap<StreamName, Known>,
    /// Streams that the unit of work at hand has changed.
    touched: Vec<StreamName>,
}

#[derive(Clone, Copy)]
struct Known {
    id: i64,
    version: u64,
}

impl Streams {
    /// The unit of work at hand stays.
    pub(crate) fn keep(&mut self) {
        self.touched.clear();
    }

    /// The unit of work at hand was rolled back: what it changed is looked up again.
    pub(crate) fn forget_unit(&mut self) {
        for stream in self.touched.drain(..) {
            self.known.remove(&stream);
        }
    }

    /// The whole group was rolled back.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
        self.touched.clear();
    }

    fn look_up(&mut self, conn: &Connection, stream: &StreamName) -> Result<Option<Known>> {
        if let Some(known) = self.known.get(stream) {
            return Ok(Some(*known));
        }
        let sql = "SELECT id, coalesce((SELECT max(version) FROM mp_event WHERE stream = mp_stream.id), 0)
                   FROM mp_stream WHERE name = ?1";
        let found = prepare(conn, sql)
            .and_then(|mut statement| {
                let read = |row: &Row<'_>| {
                    Ok(Known { id: row.get(0)?, version: row.get::<_, i64>(1)?.cast_unsigned() })
                };
                statement.query_row([stream.as_str()], read).optional()
            })
            .map_err(|error| error::statement(sql, &error))?;
        if let Some(known) = found {
            self.remember(stream, known);
        }
        Ok(found)
    }

    fn remember(&mut self, stream: &StreamName, known: Known) {
        if self.known.len() >= STREAMS_REMEMBERED_MAX && !self.known.contains_key(stream) {
            // Streams of the unit at hand may be dropped too: they are on the connection, and looked up again.
            self.known.clear();
        }
        self.known.insert(stream.clone(), known);
    }
}

/// Appends to streams within one unit of work.
pub(crate) struct Appender<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) streams: &'c mut Streams,
    /// That of the last event; moved on.
    pub(crate) position: &'c mut u64,
    pub(crate) ids: &'c Ids,
    pub(crate) now: Timestamp,
}

impl Appender<'_> {
    /// Appends to a stream that is where it is expected.
    pub(crate) fn append(
        self,
        stream: &StreamName,
        expected: Expected,
        events: &[NewEvent],
    ) -> Result<Appended> {
        stream.check()?;
        let max = mamparo_ledger::limits::EVENTS_PER_APPEND_MAX;
        if events.len() > max {
            return Err(Error::TooLarge { what: "an append", size: events.len(), max });
        }
        events.iter().try_for_each(NewEvent::check)?;
        let known = self.streams.look_up(self.conn, stream)?;
        let actual = known.map_or(0, |known| known.version);
        if !expected.admits(actual) {
            return Err(Error::VersionConflict { stream: stream.clone(), expected, actual });
        }
        if events.is_empty() {
            return Ok(Appended { version: actual, position: *self.position });
        }
        self.streams.touched.push(stream.clone());
        let id = match known {
            Some(known) => known.id,
            None => {
                execute(self.conn, "INSERT INTO mp_stream (name) VALUES (?1)", params![stream.as_str()])?;
                self.conn.last_insert_rowid()
            }
        };
        let mut version = actual;
        for event in events {
            version += 1;
            *self.position += 1;
            self.insert(id, version, event)?;
        }
        self.streams.remember(stream, Known { id, version });
        Ok(Appended { version, position: *self.position })
    }

    fn insert(&self, stream: i64, version: u64, event: &NewEvent) -> Result<()> {
        let id = event.id.unwrap_or_else(|| self.ids.next());
        let metadata = match event.metadata.as_slice() {
            [] => Vec::new(),
            pairs => serde_json::to_vec(pairs).map_err(Error::app)?,
        };
        let sql = "INSERT INTO mp_event (position, stream, version, id, kind, at, data, metadata)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (position, at, kind, data) = (*self.position, self.now, &event.kind, &event.data);
        execute(self.conn, sql, params![position, stream, version, id, kind, at, data, metadata])?;
        Ok(())
    }
}

/// The position of the last event; 0 when there is none.
pub(crate) fn last_position(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT coalesce(max(position), 0) FROM mp_event", [], |row| {
        row.get::<_, i64>(0).map(i64::cast_unsigned)
    })
}

/// Events as they are read: names that recur are kept once, and the bytes of a page stand in one buffer that
/// its events share.
#[derive(Default)]
struct Page {
    streams: HashMap<i64, StreamName>,
    last_stream: Option<(i64, StreamName)>,
    kinds: Vec<Arc<str>>,
    bytes: Vec<u8>,
    events: Vec<Recorded>,
    /// For each event where its data begins, where its metadata begins, and where that ends in `bytes`.
    spans: Vec<[usize; 3]>,
}

/// The columns that [`Page::push`] reads, in its order.
const COLUMNS: &str = "position, stream, version, id, kind, at, data, metadata";

/// Kinds that a page remembers; a program with more of them pays an allocation for the rest.
const KINDS_REMEMBERED_MAX: usize = 16;

/// Most events and bytes that a page makes room for before it knows what it will hold.
const ROOM_EVENTS_MAX: usize = 4_096;
const ROOM_BYTES_MAX: usize = 1024 * 1024;

impl Page {
    /// An empty page that will hold `max` events at most.
    fn new(max: usize) -> Self {
        let room = max.min(ROOM_EVENTS_MAX);
        Self { events: Vec::with_capacity(room), spans: Vec::with_capacity(room), ..Self::default() }
    }

    fn push(&mut self, row: &Row<'_>, stream: StreamName) -> rusqlite::Result<()> {
        let begin = self.bytes.len();
        let data = row.get_ref(6)?.as_bytes()?;
        if begin == 0 {
            // Events of a ledger are much alike.
            self.bytes.reserve((data.len() * self.events.capacity()).min(ROOM_BYTES_MAX));
        }
        self.bytes.extend_from_slice(data);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(row.get_ref(7)?.as_bytes()?);
        let kind = row.get_ref(4)?.as_bytes()?;
        let event = Recorded {
            position: row.get_ref(0)?.as_i64()?.cast_unsigned(),
            stream,
            version: row.get_ref(2)?.as_i64()?.cast_unsigned(),
            id: Uuid::from_slice(row.get_ref(3)?.as_blob()?).unwrap_or_default(),
            kind: self.kind(kind),
            at: Timestamp::from_micros(row.get_ref(5)?.as_i64()?),
            data: Bytes::new(),
            raw_metadata: Bytes::new(),
        };
        self.events.push(event);
        self.spans.push([begin, middle, self.bytes.len()]);
        Ok(())
    }

    fn kind(&mut self, text: &[u8]) -> Arc<str> {
        if let Some(kind) = self.kinds.iter().find(|kind| kind.as_bytes() == text) {
            return Arc::clone(kind);
        }
        let kind: Arc<str> = String::from_utf8_lossy(text).into();
        if self.kinds.len() < KINDS_REMEMBERED_MAX {
            self.kinds.push(Arc::clone(&kind));
        }
        kind
    }

    fn stream(&mut self, conn: &Connection, id: i64) -> rusqlite::Result<StreamName> {
        if let Some((last, name)) = &self.last_stream
            && *last == id
        {
            return Ok(name.clone());
        }
        let name = match self.streams.get(&id) {
            Some(name) => name.clone(),
            None => {
                let name = stream_name(conn, id)?;
                self.streams.insert(id, name.clone());
                name
            }
        };
        self.last_stream = Some((id, name.clone()));
        Ok(name)
    }

    fn finish(mut self) -> Vec<Recorded> {
        let bytes = Bytes::from(self.bytes);
        for (event, [begin, middle, end]) in self.events.iter_mut().zip(self.spans) {
            event.data = bytes.slice(begin..middle);
            event.raw_metadata = bytes.slice(middle..end);
        }
        self.events
    }
}

/// Events of one stream from version `from` on.
pub(crate) fn read_stream(
    conn: &Connection,
    stream: &StreamName,
    from: u64,
    max: usize,
) -> rusqlite::Result<Vec<Recorded>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM mp_event
         WHERE stream = (SELECT id FROM mp_stream WHERE name = ?1) AND version >= ?2
         ORDER BY version LIMIT ?3"
    );
    let mut statement = prepare(conn, &sql)?;
    bind(&mut statement, params![stream.as_str(), from, max as u64])?;
    let (mut rows, mut page) = (statement.raw_query(), Page::new(max));
    while let Some(row) = rows.next()? {
        page.push(row, stream.clone())?;
    }
    Ok(page.finish())
}

/// Events of all streams after position `after`.
pub(crate) fn read_all(conn: &Connection, after: u64, max: usize) -> rusqlite::Result<Vec<Recorded>> {
    let sql = format!("SELECT {COLUMNS} FROM mp_event WHERE position > ?1 ORDER BY position LIMIT ?2");
    let mut statement = prepare(conn, &sql)?;
    bind(&mut statement, params![after, max as u64])?;
    let (mut rows, mut page) = (statement.raw_query(), Page::new(max));
    while let Some(row) = rows.next()? {
        let stream = page.stream(conn, row.get_ref(1)?.as_i64()?)?;
        page.push(row, stream)?;
    }
    Ok(page.finish())
}

fn stream_name(conn: &Connection, id: i64) -> rusqlite::Result<StreamName> {
    prepare(conn, "SELECT name FROM mp_stream WHERE id = ?1")?
        .query_row([id], |row| row.get_ref(0)?.as_str().map(StreamName::new).map_err(Into::into))
}
