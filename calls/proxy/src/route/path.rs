//! What a path says once it is written in one way only: no dot segments, no empty segments, nothing encoded that
//! need not be. What is matched here is also what is forwarded, so that nobody decides on another path.

use std::borrow::Cow;

/// A path that different programs would read in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The one way to write `path`. An encoded slash stays encoded; a path that climbs above the root, or that holds
/// a broken escape, an encoded control character or an encoded backslash, is refused.
pub(crate) fn normalize(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if path == "*" || is_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    if !path.starts_with('/') {
        return Err(Ambiguous);
    }
    let decoded = decode(path)?;
    let mut normal = String::with_capacity(decoded.len());
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | "" if last => normal.push('/'),
            "." | "" => {}
            ".." => {
                let parent = normal.rfind('/').ok_or(Ambiguous)?;
                normal.truncate(parent);
                if last {
                    normal.push('/');
                }
            }
            _ => {
                normal.push('/');
                normal.push_str(segment);
            }
        }
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

/// Whether nothing needs to be done.
fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    for byte in path {
        match byte {
            b'%' | b'\\' => return false,
            b'/' | b'.' if before == b'/' => return false,
            _ => before = *byte,
        }
    }
    path.first() == Some(&b'/')
}

/// Decodes what need not be encoded (letters, digits, `-`, `.`, `_`, `~`) and writes the other escapes in upper
/// case.
fn decode(path: &str) -> Result<String, Ambiguous> {
    let mut decoded = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => return Err(Ambiguous),
            '%' => {
                let (Some(high), Some(low)) = (chars.next(), chars.next()) else { return Err(Ambiguous) };
                let (Some(h), Some(l)) = (high.to_digit(16), low.to_digit(16)) else { return Err(Ambiguous) };
                let byte = u8::try_from(h << 4 | l).map_err(|_| Ambiguous)?;
                match byte {
                    0..=0x1f | 0x7f | b'\\' => return Err(Ambiguous),
                    b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(byte)),
                    _ if byte.is_ascii_alphanumeric() => decoded.push(char::from(byte)),
                    _ => decoded.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
                }
            }
            _ => decoded.push(char),
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_in_one_way() {
        for (path, normal) in [
            ("/", "/"),
            ("*", "*"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a//", "/a/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/%2e%2E/b", "/b"),
            ("/%61dmin", "/admin"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Fb/../c", "/c"),
            ("/a.b/.c/..d", "/a.b/.c/..d"),
            ("/%7euser/%c3%a9", "/~user/%C3%A9"),
        ] {
            assert_eq!(normalize(path).as_deref(), Ok(normal), "{path}");
            assert_eq!(normalize(normal).as_deref(), Ok(normal), "twice: {path}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "/..",
            "/a/../..",
            "/%2e%2e/etc",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%00b",
            "/a%0d",
            "/a%5cb",
            "/a\\b",
            "a",
        ] {
            assert_eq!(normalize(path), Err(Ambiguous), "{path}");
        }
    }
}
