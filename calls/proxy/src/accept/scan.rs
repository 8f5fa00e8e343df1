//! Decides, on the bytes themselves, whether a request is framed the way RFC 9112 says, before any parser may
//! repair it: one length and one only, one host, whole line ends, and sizes within their bounds. Knows where each
//! body ends, so that every head of a connection is looked at, pipelined ones too.

use crate::limits::{CHUNK_EXTENSION_BYTES, CHUNK_LINE_BYTES, LEADING_EMPTY_LINES, TRAILER_BYTES};

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The header is not HTTP/1.
    Malformed(&'static str),
    /// The length of the body is said twice, in two ways, or in a way nobody understands.
    Framing(&'static str),
    /// No `host`, or more than one.
    Host,
    /// The request target is too long.
    UriTooLong,
    /// The header is too large.
    HeaderTooLarge,
    /// A version of HTTP that is not spoken here.
    Version,
    /// A transfer coding other than chunked.
    Coding,
    /// The header did not end in time.
    HeaderTimeout,
}

/// What the scanner holds a request to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) header_bytes: usize,
    pub(crate) header_count: usize,
    pub(crate) uri_bytes: usize,
}

/// The place in the stream of bytes that a client sends.
#[derive(Debug)]
pub(crate) struct Scanner {
    bounds: Bounds,
    state: State,
    heads: u64,
}

#[derive(Debug)]
enum State {
    /// Before or within a head, whose first `head.checked` bytes are already known to be good.
    Head(Head),
    /// So many bytes of a body are left.
    Body(u64),
    /// Within a chunked body, whose chunks have had so many bytes of extensions.
    Chunk(Chunk, usize),
    /// After the head of a request that asks for another protocol: whose bytes follow is not decided yet.
    Handover,
}

#[derive(Debug, Default)]
struct Head {
    checked: usize,
    /// No line ends before this byte, apart from those that are checked.
    searched: usize,
    lines: usize,
    leading: usize,
    http_10: bool,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    connection_upgrade: bool,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In the line of the size, after so many of its bytes.
    Size { size: u64, digits: u8, seen: usize, extension: bool },
    /// The line feed after the size must follow.
    SizeEnd(u64),
    /// So many bytes of the chunk are left.
    Data(u64),
    /// The line end after a chunk must follow; the flag says whether its carriage return was seen.
    DataEnd(bool),
    /// In the trailers.
    Trailer(Trailer),
}

#[derive(Clone, Copy, Debug, Default)]
struct Trailer {
    /// So many bytes of this line are there, and of all of them.
    line: usize,
    all: usize,
    /// Whole lines.
    lines: usize,
    /// Whether this line has its colon, and the carriage return at its end.
    named: bool,
    cr: bool,
}

const CHUNK_START: Chunk = Chunk::Size { size: 0, digits: 0, seen: 0, extension: false };

/// What became of the bytes that were looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// So many of them may go on to the parser. What lies after them is the beginning of a head and must be fed
    /// again, with what follows it.
    pub(crate) passed: usize,
    /// Why nothing after them may go on, if so.
    pub(crate) refused: Option<Refusal>,
}

impl Scanner {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: State::Head(Head::default()), heads: 0 }
    }

    /// Heads that were let through so far.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a head, and not to a body.
    pub(crate) fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Handover)
    }

    /// Whether it must be decided first whether another protocol follows.
    pub(crate) fn awaits_handover(&self) -> bool {
        matches!(self.state, State::Handover)
    }

    /// No other protocol follows: the next byte begins a head.
    pub(crate) fn hand_over_is_refused(&mut self) {
        self.state = State::Head(Head::default());
    }

    /// Looks at the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let step = match &mut self.state {
                State::Head(head) => match head.read(rest, &self.bounds) {
                    Ok(None) => return Fed { passed: at, refused: None },
                    Ok(Some(length)) => {
                        self.heads += 1;
                        self.state = head.body();
                        length
                    }
                    Err(refusal) => return Fed { passed: at, refused: Some(refusal) },
                },
                State::Handover => return Fed { passed: at, refused: None },
                State::Body(left) => {
                    let taken = take(left, rest.len());
                    if *left == 0 {
                        self.state = State::Head(Head::default());
                    }
                    taken
                }
                State::Chunk(chunk, extensions) => match chunk.read(rest, extensions, &self.bounds) {
                    Some((taken, false)) => taken,
                    Some((taken, true)) => {
                        self.state = State::Head(Head::default());
                        taken
                    }
                    None => {
                        let refused = Some(Refusal::Framing("a chunk of the body is malformed"));
                        return Fed { passed: at, refused };
                    }
                },
            };
            at += step;
        }
        Fed { passed: at, refused: None }
    }
}

fn take(left: &mut u64, have: usize) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(have);
    *left -= taken as u64;
    taken
}

impl Head {
    /// Reads on in a head that begins at the start of `bytes`: its length once it is whole.
    fn read(&mut self, bytes: &[u8], bounds: &Bounds) -> Result<Option<usize>, Refusal> {
        loop {
            let from = self.searched.max(self.checked);
            let Some(end) = bytes[from..].iter().position(|byte| *byte == b'\n') else {
                self.searched = bytes.len();
                return self.unfinished(&bytes[self.checked..], bytes.len(), bounds);
            };
            // What a line is refused for must not depend on how much of it came at once.
            self.unfinished(&bytes[self.checked..from + end], from + end, bounds)?;
            let Some(line) = bytes[self.checked..from + end].strip_suffix(b"\r") else {
                return Err(Refusal::Malformed("a line must end with CR LF"));
            };
            self.checked = from + end + 1;
            if self.lines > 0 && self.checked > bounds.header_bytes {
                return Err(Refusal::HeaderTooLarge);
            }
            if self.lines == 0 {
                if line.is_empty() {
                    self.leading += 1;
                    if self.leading > LEADING_EMPTY_LINES {
                        return Err(Refusal::Malformed("empty lines in front of the request"));
                    }
                    continue;
                }
                self.request_line(line, bounds)?;
            } else if line.is_empty() {
                return self.close().map(|()| Some(self.checked));
            } else {
                if self.lines > bounds.header_count {
                    return Err(Refusal::HeaderTooLarge);
                }
                self.header_line(line)?;
            }
            self.lines += 1;
        }
    }

    fn unfinished(&self, rest: &[u8], all: usize, bounds: &Bounds) -> Result<Option<usize>, Refusal> {
        if self.lines == 0 && !rest.first().is_none_or(|byte| is_token(*byte) || *byte == b'\r') {
            return Err(Refusal::Malformed("the request line has no method"));
        }
        if self.lines == 0 && rest.len() > bounds.uri_bytes + 64 {
            return Err(Refusal::UriTooLong);
        }
        if all > bounds.header_bytes { Err(Refusal::HeaderTooLarge) } else { Ok(None) }
    }

    fn request_line(&mut self, line: &[u8], bounds: &Bounds) -> Result<(), Refusal> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (method, target, version) = (parts.next(), parts.next(), parts.next());
        let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
        else {
            return Err(Refusal::Malformed("the request line is not: method, target, version"));
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(Refusal::Malformed("the method is not a token"));
        }
        if target.len() > bounds.uri_bytes {
            return Err(Refusal::UriTooLong);
        }
        if target.is_empty() || !target.iter().all(|byte| is_target(*byte)) {
            return Err(Refusal::Malformed("the target holds a character that must be encoded"));
        }
        // The parser refuses no path of such characters, and answers the others that it refuses in its own words.
        if target[0] != b'/' && http::Uri::try_from(target).is_err() {
            return Err(Refusal::Malformed("the target is neither a path nor an address"));
        }
        self.http_10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ if version.starts_with(b"HTTP/") => return Err(Refusal::Version),
            _ => return Err(Refusal::Malformed("the version is not HTTP/1.1")),
        };
        Ok(())
    }

    fn header_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let Some(colon) = line.iter().position(|byte| !is_token(*byte)) else {
            return Err(Refusal::Malformed("a header line has no colon"));
        };
        if colon == 0 {
            return Err(Refusal::Malformed("a header line begins with a space or has no name"));
        }
        if line[colon] != b':' {
            return Err(Refusal::Malformed("the name of a header is not a token"));
        }
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(Refusal::Malformed("the value of a header holds a control character"));
        }
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                self.connection_upgrade |= tokens.any(|token| token.eq_ignore_ascii_case(b"upgrade"));
            }
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Refusal::Framing("content-length is there twice"));
                }
                let length = parse_length(value.trim_ascii());
                self.length = Some(length.ok_or(Refusal::Framing("content-length is not a number"))?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked {
                    return Err(Refusal::Framing("transfer-encoding is there twice"));
                }
                if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::Coding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// The head is whole: do its lines agree with each other?
    fn close(&self) -> Result<(), Refusal> {
        if self.chunked && self.length.is_some() {
            return Err(Refusal::Framing("both content-length and transfer-encoding are there"));
        }
        if self.chunked && self.http_10 {
            return Err(Refusal::Framing("HTTP/1.0 has no transfer-encoding"));
        }
        if self.hosts == 1 { Ok(()) } else { Err(Refusal::Host) }
    }

    fn body(&self) -> State {
        match self.length {
            _ if self.chunked => State::Chunk(CHUNK_START, 0),
            Some(length) if length > 0 => State::Body(length),
            _ if self.upgrade && self.connection_upgrade && !self.http_10 => State::Handover,
            _ => State::Head(Head::default()),
        }
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

impl Chunk {
    /// Reads on in a chunked body: how many bytes were taken and whether the body has ended; `None` when it is
    /// malformed.
    fn read(&mut self, bytes: &[u8], extensions: &mut usize, bounds: &Bounds) -> Option<(usize, bool)> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self {
                Self::Data(left) => {
                    at += take(left, bytes.len() - at);
                    if *left == 0 {
                        *self = Self::DataEnd(false);
                    }
                    continue;
                }
                Self::Trailer(trailer) => {
                    at += 1;
                    if trailer.read(byte, bounds)? {
                        return Some((at, true));
                    }
                    continue;
                }
                _ => self.line(byte, extensions)?,
            }
            at += 1;
        }
        Some((at, false))
    }

    fn line(&mut self, byte: u8, extensions: &mut usize) -> Option<()> {
        *self = match *self {
            Self::Size { size, digits, seen, extension } => match byte {
                _ if seen >= CHUNK_LINE_BYTES => return None,
                b'\r' if digits > 0 => Self::SizeEnd(size),
                _ if extension && (byte == b'\t' || byte >= b' ') && byte != 0x7f => {
                    *extensions += 1;
                    if *extensions > CHUNK_EXTENSION_BYTES {
                        return None;
                    }
                    Self::Size { size, digits, seen: seen + 1, extension }
                }
                b';' if digits > 0 => Self::Size { size, digits, seen: seen + 1, extension: true },
                _ if byte.is_ascii_hexdigit() && digits < 15 && !extension => {
                    let digit = char::from(byte).to_digit(16)?;
                    let size = size << 4 | u64::from(digit);
                    Self::Size { size, digits: digits + 1, seen: seen + 1, extension }
                }
                _ => return None,
            },
            Self::SizeEnd(size) if byte == b'\n' => match size {
                0 => Self::Trailer(Trailer::default()),
                size => Self::Data(size),
            },
            Self::DataEnd(false) if byte == b'\r' => Self::DataEnd(true),
            Self::DataEnd(true) if byte == b'\n' => CHUNK_START,
            _ => return None,
        };
        Some(())
    }
}

impl Trailer {
    /// One byte of the trailers, which are held to what holds for lines of a head: whether they have ended.
    fn read(&mut self, byte: u8, bounds: &Bounds) -> Option<bool> {
        self.all += 1;
        if self.all > bounds.header_bytes.min(TRAILER_BYTES) {
            return None;
        }
        match byte {
            b'\n' if self.cr && self.line == 0 => return Some(true),
            b'\n' if self.cr && self.named && self.lines < bounds.header_count => {
                *self = Self { all: self.all, lines: self.lines + 1, ..Self::default() };
                return Some(false);
            }
            _ if self.cr => return None,
            b'\r' => {
                self.cr = true;
                return Some(false);
            }
            b':' if !self.named && self.line > 0 => self.named = true,
            _ if self.named && (byte == b'\t' || byte >= b' ') && byte != 0x7f => {}
            _ if !self.named && is_token(byte) => {}
            _ => return None,
        }
        self.line += 1;
        Some(false)
    }
}

fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let c = byte as u8;
            table[byte] = c.is_ascii_alphanumeric()
                || matches!(c, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^')
                || matches!(c, b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`')
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
