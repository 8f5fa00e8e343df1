//! Reads an answer of HTTP/1.1 far enough to know where it ends: status, length, and that all of it came.

/// An answer that is being read.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    head: Vec<u8>,
    left: Option<usize>,
}

/// What the bytes so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    More,
    Whole,
    /// Another status than 200, another length than expected, or more than was asked for.
    Wrong,
}

impl Answer {
    pub(crate) fn feed(&mut self, bytes: &[u8], expected: usize) -> Read {
        let body = match self.left {
            Some(_) => bytes.len(),
            None if self.head.is_empty() => match self.end_of_head(bytes, expected) {
                Some(Ok(end)) => bytes.len() - end,
                Some(Err(())) => return Read::Wrong,
                None => {
                    self.head.extend_from_slice(bytes);
                    return Read::More;
                }
            },
            None => {
                self.head.extend_from_slice(bytes);
                let head = std::mem::take(&mut self.head);
                match self.end_of_head(&head, expected) {
                    Some(Ok(end)) => head.len() - end,
                    Some(Err(())) => return Read::Wrong,
                    None => {
                        self.head = head;
                        return Read::More;
                    }
                }
            }
        };
        match self.left.and_then(|left| left.checked_sub(body)) {
            Some(0) => {
                self.left = None;
                Read::Whole
            }
            Some(left) => {
                self.left = Some(left);
                Read::More
            }
            None => Read::Wrong,
        }
    }

    /// Where the head ends, if it does; sets what is left of the body.
    fn end_of_head(&mut self, bytes: &[u8], expected: usize) -> Option<Result<usize, ()>> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let mut lines = bytes[..end].split(|byte| *byte == b'\n');
        let is_good = lines.next().is_some_and(|line| line.starts_with(b"HTTP/1.1 200"));
        let name = b"content-length:";
        let length = lines
            .filter(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))
            .find_map(|line| std::str::from_utf8(&line[name.len()..]).ok()?.trim().parse::<usize>().ok());
        if !is_good || length != Some(expected) {
            return Some(Err(()));
        }
        self.left = length;
        Some(Ok(end))
    }
}
