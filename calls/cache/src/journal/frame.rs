//! How a record stands in the file: its length, a checksum, and what it is. What was torn does not pass for a record.

use crate::limits::RECORD_MAX;

/// The first bytes of a journal.
pub(super) const MAGIC: &[u8; 8] = b"mpjrnl\x00\x01";
/// Length and checksum.
const HEAD: usize = 8;
/// Kind and id.
const BODY_MIN: usize = 9;

const APPENDED: u8 = 1;
const ACKNOWLEDGED: u8 = 2;

/// What stands in a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Appended { id: u64, payload: &'a [u8] },
    Acknowledged(Vec<u64>),
}

/// Bytes before the payload of a record.
pub(super) const BEFORE_PAYLOAD: usize = HEAD + BODY_MIN;

pub(super) fn write_record(to: &mut Vec<u8>, id: u64, payload: &[u8]) {
    write(to, APPENDED, id, payload);
}

pub(super) fn write_acknowledgement(to: &mut Vec<u8>, ids: &[u64]) {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    write(to, ACKNOWLEDGED, 0, &bytes);
}

fn write(to: &mut Vec<u8>, kind: u8, id: u64, payload: &[u8]) {
    let length = u32::try_from(BODY_MIN + payload.len()).unwrap_or(u32::MAX);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(&id.to_le_bytes());
    hasher.update(payload);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&hasher.finalize().to_le_bytes());
    to.push(kind);
    to.extend_from_slice(&id.to_le_bytes());
    to.extend_from_slice(payload);
}

/// The frame at the beginning of `bytes`, and its length; `None` if there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let size = usize::try_from(length).ok()?;
    if !(BODY_MIN..=RECORD_MAX + BODY_MIN).contains(&size) {
        return None;
    }
    let body = bytes.get(HEAD..HEAD + size)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(body);
    if hasher.finalize() != sum {
        return None;
    }
    let (&kind, rest) = body.split_first()?;
    let (id, payload) = rest.split_first_chunk()?;
    let frame = match kind {
        APPENDED => Frame::Appended { id: u64::from_le_bytes(*id), payload },
        ACKNOWLEDGED => {
            Frame::Acknowledged(payload.as_chunks().0.iter().map(|id| u64::from_le_bytes(*id)).collect())
        }
        _ => return None,
    };
    Some((frame, HEAD + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_was_torn_is_not() {
        let mut bytes = Vec::new();
        write_record(&mut bytes, 7, b"mate");
        let first = bytes.len();
        assert_eq!(first, BEFORE_PAYLOAD + 4);
        write_acknowledgement(&mut bytes, &[7, 8]);
        assert_eq!(read(&bytes), Some((Frame::Appended { id: 7, payload: b"mate" }, first)));
        assert_eq!(read(&bytes[first..]).unwrap().0, Frame::Acknowledged(vec![7, 8]));
        for cut in 0..first {
            assert_eq!(read(&bytes[..cut]), None, "cut at {cut}");
        }
        for at in 0..first {
            let mut damaged = bytes[..first].to_vec();
            damaged[at] ^= 0x40;
            assert_eq!(read(&damaged), None, "damaged at {at}");
        }
        assert_eq!(read(&[0; 64]), None);
    }
}
