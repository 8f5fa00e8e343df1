//! Decides which requests may have the same answer: they say the same in all headers that it varies by (RFC 9111, 4.1).

use http::header::{self, HeaderMap, HeaderName};

use crate::limits::{VARIANT_BYTES_MAX, VARY_NAMES_MAX};

/// The headers that an answer varies by, in order and each once; `None` if by more than headers can tell (`*`), by what
/// is no name of a header, or by more than are looked at.
pub fn names(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in headers.get_all(header::VARY) {
        for token in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match token {
                b"" => {}
                b"*" => return None,
                token => names.push(HeaderName::from_bytes(token).ok()?),
            }
        }
    }
    union(&names, &[])
}

/// The names of both, in order and each once; `None` if they are too many.
pub fn union(some: &[HeaderName], others: &[HeaderName]) -> Option<Vec<HeaderName>> {
    let mut names: Vec<_> = some.iter().chain(others).cloned().collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    (names.len() <= VARY_NAMES_MAX).then_some(names)
}

/// What a request says in these headers, so that two that say the same have the same; `None` if it says too much.
/// `generation` is part of it: what an older generation kept is never found by a newer one.
pub fn variant(generation: u64, names: &[HeaderName], request: &HeaderMap) -> Option<Vec<u8>> {
    let mut variant = generation.to_be_bytes().to_vec();
    for name in names {
        variant.extend_from_slice(name.as_str().as_bytes());
        // What is absent is something else than what is empty. No header holds either byte.
        if !request.contains_key(name) {
            variant.push(0);
            continue;
        }
        variant.push(b'\n');
        let begin = variant.len();
        let mut lines = request.get_all(name).iter().map(|line| line.as_bytes());
        if name == header::ACCEPT_ENCODING {
            write_codings(&mut variant, lines);
        } else if let Some(first) = lines.next() {
            variant.extend_from_slice(first.trim_ascii());
            for line in lines {
                variant.extend_from_slice(b", ");
                variant.extend_from_slice(line.trim_ascii());
            }
        }
        variant.push(b'\n');
        if variant.len() - begin > VARIANT_BYTES_MAX || variant.len() > VARIANT_BYTES_MAX {
            return None;
        }
    }
    Some(variant)
}

/// Writes `Accept-Encoding` so that what means the same is the same: in lower case, in order, each once, weights as
/// thousandths (RFC 9110, 12.5.3). Nothing else is left out: what a service makes of a weight is not known here.
fn write_codings<'a>(out: &mut Vec<u8>, lines: impl Iterator<Item = &'a [u8]>) {
    let mut codings: Vec<(Vec<u8>, u32)> = lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .map(coding)
        .collect();
    codings.sort_unstable();
    codings.dedup();
    for (at, (name, weight)) in codings.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        if *weight != 1_000 {
            out.extend_from_slice(format!(";{weight}").as_bytes());
        }
    }
}

/// The name of a coding and its weight in thousandths. What is not understood stays part of the name.
fn coding(member: &[u8]) -> (Vec<u8>, u32) {
    let mut halves = member.splitn(2, |byte| *byte == b';');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let lower = name.to_ascii_lowercase();
    let lower = if lower == b"x-gzip" { b"gzip".to_vec() } else { lower };
    match halves.next() {
        None => (lower, 1_000),
        Some(rest) => match thousandths(rest.trim_ascii()) {
            Some(weight) => (lower, weight),
            None => (member.to_ascii_lowercase(), 1_000),
        },
    }
}

fn thousandths(parameter: &[u8]) -> Option<u32> {
    let value = std::str::from_utf8(parameter.get(2..)?).ok()?;
    if !parameter[..2].eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let are_digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let weight = match whole {
        "0" | "1" if are_digits => format!("{whole}{fraction:0<3}").parse().ok()?,
        _ => return None,
    };
    (weight <= 1_000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn names_are_read_from_all_lines_and_a_star_is_no_name() {
        for (lines, expected) in [
            (&[][..], Some("")),
            (&[("vary", "Accept-Encoding, accept")], Some("accept,accept-encoding")),
            (&[("vary", "b,a"), ("vary", "A, ,c")], Some("a,b,c")),
            (&[("vary", "a, *")], None),
            (&[("vary", "a"), ("vary", "*")], None),
            (&[("vary", "not a name")], None),
            (&[("vary", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17")], None),
        ] {
            let read = names(&map(lines)).map(|names| names.join_names());
            assert_eq!(read.as_deref(), expected, "{lines:?}");
        }
    }

    trait JoinNames {
        fn join_names(&self) -> String;
    }

    impl JoinNames for Vec<HeaderName> {
        fn join_names(&self) -> String {
            self.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",")
        }
    }

    #[test]
    fn requests_that_say_the_same_have_the_same_variant_and_others_do_not() {
        let names = names(&map(&[("vary", "accept-encoding, x")])).unwrap();
        let of = |lines: &[(&str, &str)]| variant(1, &names, &map(lines));
        for (one, other, same) in [
            (&[("x", "1")][..], &[("x", "1"), ("y", "2")][..], true),
            (&[("x", "1")], &[("x", "2")], false),
            (&[("x", "")], &[], false),
            (&[("x", "1"), ("x", "2")], &[("x", "1, 2")], true),
            (&[("x", "1"), ("x", "2")], &[("x", "2, 1")], false),
            (&[("x", "a")], &[("x", "A")], false),
            (&[("accept-encoding", "gzip, br")], &[("accept-encoding", "BR ,gzip;q=1.0")], true),
            (
                &[("accept-encoding", "gzip"), ("accept-encoding", "br")],
                &[("accept-encoding", "br,x-gzip")],
                true,
            ),
            (&[("accept-encoding", "gzip;q=0.5")], &[("accept-encoding", "gzip; q=0.50")], true),
            (&[("accept-encoding", "gzip;q=0")], &[("accept-encoding", "gzip")], false),
            (&[("accept-encoding", "gzip;q=0.5, br")], &[("accept-encoding", "gzip, br;q=0.5")], false),
            (&[("accept-encoding", "")], &[], false),
            (&[("accept-encoding", "gzip;q=0.5;x")], &[("accept-encoding", "gzip;q=0.5")], false),
        ] {
            assert_eq!(of(one) == of(other), same, "{one:?} {other:?}");
        }
        let request = map(&[("x", "1")]);
        assert_ne!(variant(1, &names, &request), variant(2, &names, &request));
        let long = "l".repeat(VARIANT_BYTES_MAX);
        assert_eq!(of(&[("x", &long)]), None);
    }
}
