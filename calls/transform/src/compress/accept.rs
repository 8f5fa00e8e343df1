//! What `accept-encoding` asks for (RFC 9110, 12.5.3): weights from 0 to 1, `*` for what is not named, and
//! `identity` for no coding at all.

use http::header::{self, HeaderMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::members;
use crate::limits::ACCEPTED_CODINGS_MAX;

/// A coding of the content of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// Zstandard (RFC 8878): nearly as small as brotli, at the speed of gzip or better.
    Zstd,
    /// Brotli (RFC 7932): the smallest, and slower.
    Br,
    /// gzip (RFC 1952): everybody reads it.
    Gzip,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    /// Its name in `accept-encoding` and `content-encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is_named(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.as_str())
            || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }
}

/// A weight, in thousandths.
type Weight = u16;

/// The coding that is liked best of those in `preference`, which also decides between equals. Nothing where
/// `identity` is liked better, where none is accepted, or where the request says nothing about it.
pub fn choose(request: &HeaderMap, preference: &[Coding]) -> Option<Coding> {
    let wanted = |is_named: &dyn Fn(&str) -> bool| -> Option<Weight> {
        members(request, &header::ACCEPT_ENCODING)
            .take(ACCEPTED_CODINGS_MAX)
            .filter_map(weighted)
            .find(|(name, _)| is_named(name))
            .map(|(_, weight)| weight)
    };
    let any = wanted(&|name| name == "*");
    let identity = wanted(&|name| name.eq_ignore_ascii_case("identity")).unwrap_or(0);
    let mut best = None;
    for &coding in preference {
        let weight = wanted(&|name| coding.is_named(name)).or(any).unwrap_or(0);
        if weight > 0 && weight >= identity && best.is_none_or(|(_, than)| weight > than) {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

/// A member with its weight; nothing where the weight is none.
fn weighted(member: &str) -> Option<(&str, Weight)> {
    let Some((name, parameter)) = member.split_once(';') else { return Some((member, 1000)) };
    let (key, value) = parameter.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    Some((name.trim_end(), weight(value.trim())?))
}

/// `0`, `1`, `0.5`: at most three digits behind the point (RFC 9110, 12.4.2).
fn weight(text: &str) -> Option<Weight> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |byte| Weight::from(byte - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::tests::map;

    #[test]
    fn the_coding_that_is_liked_best_is_chosen() {
        for (accepted, chosen) in [
            // the examples of RFC 9110, 12.5.3
            ("compress, gzip", Some(Coding::Gzip)),
            ("", None),
            ("*", Some(Coding::Zstd)),
            ("compress;q=0.5, gzip;q=1.0", Some(Coding::Gzip)),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", Some(Coding::Gzip)),
            // what browsers send
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br", Some(Coding::Br)),
            // weights before our preference
            ("gzip;q=0.9, br;q=0.8, zstd;q=0.7", Some(Coding::Gzip)),
            ("gzip;q=0.001", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("*;q=0.3, br;q=0", Some(Coding::Zstd)),
            ("zstd;q=0, *;q=0.3", Some(Coding::Br)),
            ("*;q=0", None),
            // identity
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity, gzip", Some(Coding::Gzip)),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("identity;q=0", None),
            // how it is written
            ("GZIP", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("gzip ; q=1", Some(Coding::Gzip)),
            ("gzip;Q=0.5", Some(Coding::Gzip)),
            (",, gzip ,", Some(Coding::Gzip)),
            ("gzipped, brotli", None),
            // weights that are none
            ("gzip;q=2", None),
            ("gzip;q=1.001", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=-1", None),
            ("gzip;q=", None),
            ("gzip;level=9", None),
            ("gzip;q=.5", None),
        ] {
            assert_eq!(choose(&map(&[("accept-encoding", accepted)]), &Coding::ALL), chosen, "{accepted}");
        }
    }

    #[test]
    fn lines_are_one_list_and_silence_asks_for_nothing() {
        let lines = map(&[("accept-encoding", "br;q=0.5"), ("accept-encoding", "gzip")]);
        assert_eq!(choose(&lines, &Coding::ALL), Some(Coding::Gzip));
        assert_eq!(choose(&HeaderMap::new(), &Coding::ALL), None);
        assert_eq!(choose(&lines, &[Coding::Br]), Some(Coding::Br));
        assert_eq!(choose(&lines, &[]), None);
    }
}
