//! Paths with variables: `/orders/{id}/lines/{line}`.

use std::hash::{BuildHasher, Hasher};

use crate::limits::TEMPLATE_SEGMENTS;

/// A path of which some segments are variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// The path as it was written, for its literal segments.
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Variable(Box<str>),
}

/// Where the segments of a path are; a path with more of them than any template has is none of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments<'a> {
    path: &'a str,
    ends: [u32; TEMPLATE_SEGMENTS],
    count: usize,
}

/// How many segments a template has, and which of them are literal: the first one is the highest bit, so that the
/// greater of two with as many segments is the one whose leftmost difference is literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) count: usize,
    pub(super) literals: u32,
}

const _: () = assert!(TEMPLATE_SEGMENTS <= u32::BITS as usize);

impl Shape {
    const fn is_literal(self, at: usize) -> bool {
        self.literals & bit(at) != 0
    }
}

const fn bit(at: usize) -> u32 {
    1 << (u32::BITS as usize - 1 - at)
}

impl Template {
    /// Reads what somebody wrote; the reason where it is no template.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("it does not begin with /")?;
        let mut segments: Vec<Segment> = Vec::new();
        for segment in rest.split('/') {
            let name = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
            segments.push(match name {
                Some(name) if !is_variable(name) => return Err("a variable is a word: {id}"),
                Some(name) if segments.contains(&Segment::Variable(name.into())) => {
                    return Err("a variable stands in it twice");
                }
                Some(name) => Segment::Variable(name.into()),
                None if segment.contains(['{', '}']) => return Err("a variable is a whole segment"),
                None => Segment::Literal(segment.into()),
            });
        }
        if segments.len() > TEMPLATE_SEGMENTS {
            return Err("it has too many segments");
        }
        Ok(Self { segments: segments.into() })
    }

    pub(super) fn shape(&self) -> Shape {
        let literal = |(at, segment): (usize, &Segment)| match segment {
            Segment::Literal(_) => bit(at),
            Segment::Variable(_) => 0,
        };
        Shape {
            count: self.segments.len(),
            literals: self.segments.iter().enumerate().map(literal).fold(0, |mask, bit| mask | bit),
        }
    }

    /// What two templates that take the same paths have in common, and no others.
    pub(super) fn hash(&self, state: &impl BuildHasher) -> u64 {
        let mut hasher = state.build_hasher();
        for segment in &self.segments {
            if let Segment::Literal(text) = segment {
                write(&mut hasher, text);
            }
        }
        hasher.finish()
    }

    /// Whether its literal segments are those of `path`, which has as many segments.
    pub(super) fn takes(&self, path: &Segments<'_>) -> bool {
        self.segments.iter().enumerate().all(|(at, own)| match own {
            Segment::Literal(text) => **text == *path.get(at),
            Segment::Variable(_) => true,
        })
    }

    /// Whether the other one takes the same paths.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = |(own, other): (&Segment, &Segment)| match (own, other) {
            (Segment::Literal(own), Segment::Literal(other)) => own == other,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            _ => false,
        };
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&*other.segments).all(same)
    }

    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.segments.contains(&Segment::Variable(name.into()))
    }

    /// What the variable stands for in a path that the template takes.
    pub(super) fn value<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        let at =
            self.segments.iter().position(|own| matches!(own, Segment::Variable(own) if **own == *name))?;
        path.split('/').nth(at + 1)
    }
}

impl<'a> Segments<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let mut segments = Self { path, ends: [0; TEMPLATE_SEGMENTS], count: 0 };
        let rest = path.strip_prefix('/')?;
        let slashes = rest.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at + 1);
        for end in slashes.chain([path.len()]) {
            *segments.ends.get_mut(segments.count)? = u32::try_from(end).ok()?;
            segments.count += 1;
        }
        Some(segments)
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    fn get(&self, at: usize) -> &'a str {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end) + 1;
        self.path.get(start..end(at)).unwrap_or_default()
    }

    /// The hash of a template of this shape that takes the path; `None` where a variable would be empty.
    pub(super) fn hash(&self, shape: Shape, state: &impl BuildHasher) -> Option<u64> {
        let mut hasher = state.build_hasher();
        for at in 0..self.count {
            match self.get(at) {
                text if shape.is_literal(at) => write(&mut hasher, text),
                "" => return None,
                _ => {}
            }
        }
        Some(hasher.finish())
    }
}

fn write(hasher: &mut impl Hasher, text: &str) {
    hasher.write(text.as_bytes());
    hasher.write_u8(b'/');
}

/// Whether it can be the name of a variable.
fn is_variable(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(word)
}

/// A text with variables in it, to be filled in: `/v2/{id}`.
pub(super) fn fill<'v>(text: &str, into: &mut String, value: impl Fn(&str) -> &'v str) {
    let mut rest = text;
    while let Some((before, name, after)) = variable(rest) {
        into.push_str(before);
        into.push_str(value(name));
        rest = after;
    }
    into.push_str(rest);
}

/// The names of the variables in a text.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, name, after) = variable(rest)?;
        rest = after;
        Some(name)
    })
}

fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = text.split_once('{')?;
    let (name, after) = after.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::RandomState;

    fn takes(template: &str, path: &str) -> bool {
        let template = Template::parse(template).unwrap();
        let state = RandomState::new();
        let Some(segments) = Segments::of(path) else { return false };
        let hash = template.hash(&state);
        let shape = template.shape();
        shape.count == segments.count()
            && segments.hash(shape, &state) == Some(hash)
            && template.takes(&segments)
    }

    #[test]
    fn a_variable_is_one_whole_segment_that_is_not_empty() {
        for (template, path, takes_it) in [
            ("/orders/{id}", "/orders/7", true),
            ("/orders/{id}", "/orders/", false),
            ("/orders/{id}", "/orders", false),
            ("/orders/{id}", "/orders/7/", false),
            ("/orders/{id}/", "/orders/7/", true),
            ("/orders/{id}/lines/{line}", "/orders/7/lines/b%2Fc", true),
            ("/orders/{id}/lines/{line}", "/orders/7/rows/1", false),
            ("/{a}/{b}", "/x/y", true),
            ("/{a}", "/", false),
            ("/a/b", "/a/b", true),
            ("/{a}", "*", false),
        ] {
            assert_eq!(takes(template, path), takes_it, "{template} {path}");
        }
        let long = "/a".repeat(TEMPLATE_SEGMENTS);
        assert!(takes(&long, &long));
        assert!(Segments::of(&format!("{long}/a")).is_none());
    }

    #[test]
    fn the_leftmost_literal_makes_the_greater_shape() {
        let shape = |text: &str| Template::parse(text).unwrap().shape();
        assert!(shape("/a/{x}") > shape("/{x}/b"));
        assert!(shape("/a/b/{x}") > shape("/a/{x}/{y}"));
        assert!(shape("/{x}/b/c") < shape("/a/{x}/{y}"));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, why) in [
            ("orders", "it does not begin with /"),
            ("/{}", "a variable is a word: {id}"),
            ("/{a-b}", "a variable is a word: {id}"),
            ("/x{a}", "a variable is a whole segment"),
            ("/{a", "a variable is a whole segment"),
            ("/{a}/{a}", "a variable stands in it twice"),
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
        assert!(Template::parse(&"/a".repeat(TEMPLATE_SEGMENTS + 1)).is_err());
    }

    #[test]
    fn variables_are_filled_in() {
        let template = Template::parse("/orders/{id}/lines/{line}").unwrap();
        let mut text = String::new();
        fill("/v2/{line}/of/{id}", &mut text, |name| {
            template.value(name, "/orders/7/lines/9").unwrap_or("?")
        });
        assert_eq!(text, "/v2/9/of/7");
        assert_eq!(variables("/v2/{line}/of/{id}").collect::<Vec<_>>(), ["line", "id"]);
        assert!(template.is_like(&Template::parse("/orders/{x}/lines/{y}").unwrap()));
        assert!(!template.is_like(&Template::parse("/orders/{x}/lines/y").unwrap()));
    }
}
