//! That a spliced tree is the tree that the parser would have read.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn read(text: &str) -> Option<Read> {
    Node::parse(text, "f").ok().map(|tree| Read::new(text, Arc::new(tree)))
}

/// Whether it is made of the last tree; that it is the same as if all had been parsed.
fn spliced(old: &str, new: &str) -> bool {
    let Some(read) = read(old) else { return false };
    let again = read.again(new);
    if let Some(again) = &again {
        let whole = Node::parse(new, "f").unwrap_or_else(|problem| panic!("{problem}\n{old}\n---\n{new}"));
        assert_eq!(format!("{again:?}"), format!("{whole:?}"), "{old}\n---\n{new}");
    }
    again.is_some()
}

const TEXT: &str = "version: 1
gateway:
  drain: 5s
  routes:
    - {match: {path: /a}, service: a}
    # about b
    - match:
        path: /b
      service: |
        b
    - {match: {path: /c},
       service: c}

    - {match: {path: /d}, service: d}
  workers: 3
services:
  a: {}
";

#[test]
fn a_change_within_the_routes_is_read_alone() {
    for (from, to) in [
        ("path: /b", "path: /bb"),
        ("service: c", "service: other"),
        ("    - {match: {path: /c},\n       service: c}\n", ""),
        ("    - {match: {path: /d}", "    - {match: {path: /new}}\n    - {match: {path: /d}"),
        ("service: d}\n", "service: d}\n    - {match: {path: /e}}\n    - match:\n        path: /f\n"),
        ("    - {match: {path: /d}, service: d}\n", ""),
        ("        b\n", "        b\n        and more\n"),
        ("    # about b\n", "    # about b\n# and this\n\n"),
    ] {
        assert!(spliced(TEXT, &TEXT.replacen(from, to, 1)), "{from:?} -> {to:?}");
    }
    let last = TEXT.split("  workers").next().unwrap();
    assert!(spliced(last, &format!("{last}    - {{match: {{path: /e}}}}\n")), "at the end of the file");
}

#[test]
fn what_reaches_further_is_left_to_the_parser() {
    for (from, to) in [
        ("drain: 5s", "drain: 6s"),
        ("workers: 3", "workers: 4"),
        ("service: c}", "service: c"),
        ("service: c}", "service: \"c}"),
        ("    - {match: {path: /c},", "  other: 1\n    - {match: {path: /c},"),
        ("    - {match: {path: /c},", "---\n    - {match: {path: /c},"),
        ("    - {match: {path: /c},", "     - {match: {path: /c},"),
        ("    - {match: {path: /c},", "   - {match: {path: /c},"),
        ("service: c}", "service: &name c}"),
        ("service: c}", "service: *name}"),
        ("service: c}", "service: c}\r"),
        ("    - {match: {path: /a}, service: a}\n", ""),
    ] {
        assert!(!spliced(TEXT, &TEXT.replacen(from, to, 1)), "{from:?} -> {to:?}");
    }
    let named = TEXT.replace("service: a}", "service: &name a}").replace("service: d}", "service: *name}");
    assert!(!spliced(&named, &named.replace("path: /a", "path: /aa")));
    let flow = "gateway: {routes: [{a: 1},\n  {b: 2}]}\n";
    assert!(!spliced(flow, &flow.replace("b: 2", "b: 3")));
}

/// How many of the pieces stand well wherever they stand.
const SOUND: usize = 13;
const PIECES: &[&str] = &[
    "    - {a: 1}\n",
    "    - a: 1\n      b: [x, y]\n",
    "    - a: |\n        text\n\n        more\n",
    "    - a: |+\n        kept\n\n",
    "    - a: one\n        two\n",
    "    - {a: 'it''s', b: \"x\\ny\"}\n",
    "    - [1,\n       2]\n",
    "    - - 1\n      - 2\n",
    "    - plain\n",
    "    - >-\n     folded\n",
    "    # note\n",
    "# far left\n",
    "\n",
    // From here on not.
    "    -\n      a: 1\n",
    "    - ? a\n      : b\n",
    "    - !!str 7\n",
    "    - &n x\n",
    "    - *n\n",
    "      deeper: 1\n",
    "   shallow: 1\n",
    "  other: 2\n",
    "    - {a: 1\n",
    "    - \"open\n",
    "...\n",
    "\t- tab\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    /// Whatever is written between the routes: what is spliced is what the parser would have read.
    #[test]
    fn what_is_spliced_is_what_the_parser_reads(
        pieces in proptest::collection::vec(0..SOUND, 1..9),
        tail in proptest::sample::select(&["", "  workers: 3\n", "services: {}\n", "  workers: 3\nservices: {}\n"][..]),
        edits in proptest::collection::vec((any::<Index>(), any::<bool>(), 0..PIECES.len()), 1..3),
    ) {
        let text = |pieces: &[usize]| {
            let body: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
            format!("version: 1\ngateway:\n  routes:\n{body}{tail}")
        };
        let old = text(&pieces);
        let mut edited = pieces;
        for (at, insert, piece) in edits {
            let at = at.index(edited.len());
            match insert {
                true => edited.insert(at, piece),
                false => edited[at] = piece,
            }
        }
        spliced(&old, &text(&edited));
    }
}
