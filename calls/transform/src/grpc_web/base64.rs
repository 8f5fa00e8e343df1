//! base64 in a stream: pieces of it may end anywhere, and may be padded in the middle, wherever somebody flushed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// What was read is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads base64 that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Characters of a group of four that is not whole.
    rest: [u8; 4],
    length: usize,
}

impl Decoder {
    /// The bytes that a piece brings to an end.
    pub(super) fn decode(&mut self, mut text: &[u8]) -> Result<Bytes, Malformed> {
        let mut out = Vec::with_capacity((self.length + text.len()) / 4 * 3 + 3);
        while self.length > 0 {
            let Some((&first, after)) = text.split_first() else { return Ok(out.into()) };
            text = after;
            if let Some(place) = self.rest.get_mut(self.length) {
                *place = first;
            }
            self.length += 1;
            if self.length == self.rest.len() {
                append(&self.rest, &mut out)?;
                self.length = 0;
            }
        }
        let (whole, rest) = text.split_at(text.len() / 4 * 4);
        append(whole, &mut out)?;
        for (place, byte) in self.rest.iter_mut().zip(rest) {
            *place = *byte;
        }
        self.length = rest.len();
        Ok(out.into())
    }

    /// Whether the text may end here.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.length == 0 { Ok(()) } else { Err(Malformed) }
    }
}

/// Decodes whole groups, in runs that end with the first padding.
fn append(mut groups: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    while !groups.is_empty() {
        let padding = groups.iter().position(|byte| *byte == b'=').unwrap_or(groups.len());
        let end = (padding / 4 * 4 + 4).min(groups.len());
        let (run, after) = groups.split_at(end);
        STANDARD.decode_vec(run, out).map_err(|_| Malformed)?;
        groups = after;
    }
    Ok(())
}

/// Writes base64 in pieces.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Bytes of a group of three that is not whole.
    rest: Vec<u8>,
}

impl Encoder {
    /// The text of what is whole so far.
    pub(super) fn encode(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity((self.rest.len() + bytes.len()) / 3 * 4);
        let missing = (3 - self.rest.len()) % 3;
        let (front, after) = bytes.split_at(missing.min(bytes.len()));
        self.rest.extend_from_slice(front);
        if self.rest.len() == 3 {
            STANDARD.encode_string(&self.rest, &mut text);
            self.rest.clear();
        }
        if self.rest.is_empty() {
            let (whole, rest) = after.split_at(after.len() / 3 * 3);
            STANDARD.encode_string(whole, &mut text);
            self.rest.extend_from_slice(rest);
        }
        text
    }

    /// The text of what is left, padded; nothing where nothing is.
    pub(super) fn flush(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        let text = STANDARD.encode(&self.rest);
        self.rest.clear();
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&str]) -> Result<Vec<u8>, Malformed> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(decoder.decode(piece.as_bytes())?);
        }
        decoder.finish().map(|()| out)
    }

    #[test]
    fn pieces_end_anywhere_and_padding_stands_anywhere() {
        for (pieces, bytes) in [
            (&[""][..], ""),
            (&["Zm9v"], "foo"),
            (&["Z", "m", "9", "v"], "foo"),
            (&["Zm9vYg==YmFy"], "foobbar"),
            (&["Zg==", "Zg==Zm8=Z", "m9v"], "fffofoo"),
            (&["Zg=", "=", "Zg=="], "ff"),
        ] {
            assert_eq!(decode(pieces).as_deref(), Ok(bytes.as_bytes()), "{pieces:?}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zg", "Zg=", "Z===", "====", "=Zg=", "Zm9v\n", "Zm9v Zg==", "Zm9_", "Zh==", "Zg=v"]
        {
            assert_eq!(decode(&[text]), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_before(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), any::<bool>()), 0..20),
            cut in 1usize..9,
        ) {
            let mut encoder = Encoder::default();
            let mut text = String::new();
            let mut bytes = Vec::new();
            for (piece, flushes) in &pieces {
                bytes.extend_from_slice(piece);
                text.push_str(&encoder.encode(piece));
                if *flushes {
                    text.extend(encoder.flush());
                }
            }
            text.extend(encoder.flush());
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                read.extend(decoder.decode(piece).unwrap());
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
            prop_assert_eq!(read, bytes);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(pieces in prop::collection::vec(".{0,9}|[A-Za-z0-9+/=]{0,9}", 0..6)) {
            let mut decoder = Decoder::default();
            for piece in &pieces {
                if decoder.decode(piece.as_bytes()).is_err() {
                    break;
                }
            }
        }
    }
}
