//! Which host a TLS client asks for, read from its first bytes without terminating TLS, so that a connection can be
//! passed through to where that host is. Versions 1.0 to 1.3 begin alike (RFC 8446, 4.1.2 and 5.1; names: RFC 6066, 3;
//! protocols: RFC 7301).
//!
//! With Encrypted Client Hello the name is the public one of the outer hello. Nothing here is authenticated: whoever
//! is passed through must still be verified by the service.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::certificates::HostPattern;
use crate::limits::HELLO_BYTES;
use crate::reader::Reader;

/// What a TLS client says first, as far as a connection is passed on by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The host that it asks for, in lower case.
    pub server_name: Option<String>,
    /// What it offers to speak inside of TLS, its favourite first. The names are bytes and need not be known.
    pub alpn: Vec<Vec<u8>>,
}

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a hello; more are needed.
    Incomplete,
    /// They are none, or a malformed one, or one of more than 16 KB.
    NotTls,
    /// They begin with a hello. The bytes are still to be passed on: all of them.
    Hello(ClientHello),
}

/// Bytes that are not those of a hello.
struct NotHello;

impl ClientHello {
    /// Reads the first bytes of a connection. To be asked again with more of them while the answer is
    /// [`Parsed::Incomplete`], which it is for less than 16 KB. Each time costs a pass over the bytes.
    pub fn parse(bytes: &[u8]) -> Parsed {
        match message(bytes) {
            Ok(Some(message)) => match read(&message) {
                Some(hello) => Parsed::Hello(hello),
                None => Parsed::NotTls,
            },
            Ok(None) if bytes.len() < HELLO_BYTES => Parsed::Incomplete,
            Ok(None) | Err(NotHello) => Parsed::NotTls,
        }
    }

    /// Whether it offers to speak `protocol`, such as `acme-tls/1`.
    pub fn offers(&self, protocol: &[u8]) -> bool {
        self.alpn.iter().any(|offered| offered == protocol)
    }
}

/// The first message of the handshake without its header, put together from as many records as it takes; nothing when
/// more bytes are needed. What cannot become a hello is told from the first byte that says so.
fn message(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, NotHello> {
    let mut rest = bytes;
    let mut whole: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    while !rest.is_empty() {
        let Some(record) = record(rest)? else { return Ok(None) };
        if whole.is_empty() {
            whole = Cow::Borrowed(record.fragment);
        } else {
            whole.to_mut().extend_from_slice(record.fragment);
        }
        if let Some(end) = length(&whole)?
            && end <= whole.len()
        {
            return Ok(Some(match whole {
                Cow::Borrowed(all) => Cow::Borrowed(all.get(HEADER..end).unwrap_or_default()),
                Cow::Owned(all) => Cow::Owned(all.get(HEADER..end).unwrap_or_default().to_vec()),
            }));
        }
        rest = record.after;
    }
    Ok(None)
}

/// The first record: its content, as much as there is of it, and what follows.
struct Record<'a> {
    fragment: &'a [u8],
    after: &'a [u8],
}

/// The first record; nothing when even its header is not whole.
fn record(bytes: &[u8]) -> Result<Option<Record<'_>>, NotHello> {
    let mut reader = Reader(bytes);
    if reader.u8().is_some_and(|kind| kind != RECORD_OF_HANDSHAKE)
        || reader.u8().is_some_and(|major| major != MAJOR_VERSION)
    {
        return Err(NotHello);
    }
    let (Some(_minor), Some(length)) = (reader.u8(), reader.u16()) else { return Ok(None) };
    let length = usize::from(length);
    if length == 0 || length > RECORD_BYTES {
        return Err(NotHello);
    }
    let (fragment, after) = reader.0.split_at(length.min(reader.0.len()));
    Ok(Some(Record { fragment, after }))
}

/// How long the message that begins here is, with its header; nothing when its header is not whole.
fn length(message: &[u8]) -> Result<Option<usize>, NotHello> {
    let mut reader = Reader(message);
    if reader.u8().is_some_and(|kind| kind != MESSAGE_OF_HELLO) {
        return Err(NotHello);
    }
    let (Some(high), Some(low)) = (reader.u8(), reader.u16()) else { return Ok(None) };
    let length = HEADER + (usize::from(high) << 16) + usize::from(low);
    if length > HELLO_BYTES { Err(NotHello) } else { Ok(Some(length)) }
}

fn read(message: &[u8]) -> Option<ClientHello> {
    let mut reader = Reader(message);
    let [major, _minor] = reader.u16()?.to_be_bytes();
    let _random = reader.take(RANDOM_BYTES)?;
    let session = reader.vec8()?;
    let ciphers = reader.vec16()?;
    let compressions = reader.vec8()?;
    let sound = major == MAJOR_VERSION
        && session.len() <= SESSION_BYTES
        && !ciphers.is_empty()
        && ciphers.len().is_multiple_of(2)
        && !compressions.is_empty();
    if !sound {
        return None;
    }
    if reader.is_empty() {
        return Some(ClientHello::default());
    }
    let extensions = reader.vec16()?;
    if reader.is_empty() { read_extensions(extensions) } else { None }
}

fn read_extensions(extensions: &[u8]) -> Option<ClientHello> {
    let (mut name, mut alpn) = (None, None);
    let mut reader = Reader(extensions);
    while !reader.is_empty() {
        let (kind, content) = (reader.u16()?, reader.vec16()?);
        let twice = match kind {
            EXTENSION_SERVER_NAME => name.replace(server_name(content)?).is_some(),
            EXTENSION_ALPN => alpn.replace(protocols(content)?).is_some(),
            _ => false,
        };
        if twice {
            return None;
        }
    }
    Some(ClientHello { server_name: name.flatten(), alpn: alpn.unwrap_or_default() })
}

/// The name in the extension; none when it is an address, which names no host.
fn server_name(content: &[u8]) -> Option<Option<String>> {
    let mut reader = Reader(content);
    let mut list = Reader(reader.vec16()?);
    // One name of one kind: others were never defined.
    let (kind, name) = (list.u8()?, list.vec16()?);
    if kind != NAME_OF_HOST || !list.is_empty() || !reader.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    if name.parse::<IpAddr>().is_ok() {
        return Some(None);
    }
    match HostPattern::parse(name) {
        Ok(HostPattern::Exact(name)) => Some(Some(name)),
        _ => None,
    }
}

fn protocols(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(content);
    let mut list = Reader(reader.vec16()?);
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.vec8()?;
        if name.is_empty() {
            return None;
        }
        names.push(name.to_vec());
    }
    (reader.is_empty() && !names.is_empty()).then_some(names)
}

/// Bytes of the header of a message: its kind, and its length in three bytes.
const HEADER: usize = 4;
const RECORD_OF_HANDSHAKE: u8 = 22;
/// Of all versions from SSL 3.0 to TLS 1.3.
const MAJOR_VERSION: u8 = 3;
/// Longest content of a record that is not encrypted (RFC 8446, 5.1).
const RECORD_BYTES: usize = 1 << 14;
const MESSAGE_OF_HELLO: u8 = 1;
const RANDOM_BYTES: usize = 32;
const SESSION_BYTES: usize = 32;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const NAME_OF_HOST: u8 = 0;
