//! The gate that keeps the translations of the README in step: the same headings, level by level, and the same
//! blocks of code, letter by letter. Prose is the translator's.

use crate::tidy::Problem;
use crate::tree::Tree;

const ORIGINAL: &str = "README.md";
const TRANSLATION: &str = "README.es.md";
const GATE: &str = "readme";

#[derive(Default)]
struct Page<'a> {
    /// Level and line of each heading.
    headings: Vec<(usize, usize)>,
    /// Text and first line of each block of code.
    blocks: Vec<(Vec<&'a str>, usize)>,
}

pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let (Some(original), Some(translation)) = (tree.text(ORIGINAL), tree.text(TRANSLATION)) else {
        return Vec::new();
    };
    let (original, translation) = (read(original), read(translation));
    let mut problems = Vec::new();
    let levels = |page: &Page<'_>| page.headings.iter().map(|heading| heading.0).collect::<Vec<_>>();
    let (ours, theirs) = (levels(&original), levels(&translation));
    if ours != theirs {
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let line = translation.headings.get(at).map_or(1, |heading| heading.1);
        let what = format!("{} headings, {ORIGINAL} has {}; they part here", theirs.len(), ours.len());
        problems.push(Problem::at(GATE, TRANSLATION, line, what));
    }
    let differing = original.blocks.iter().zip(&translation.blocks).find(|(a, b)| a.0 != b.0);
    if let Some((_, block)) = differing {
        let what = format!("this block of code is not the one of {ORIGINAL}");
        problems.push(Problem::at(GATE, TRANSLATION, block.1, what));
    } else if original.blocks.len() != translation.blocks.len() {
        let (ours, theirs) = (original.blocks.len(), translation.blocks.len());
        let what = format!("{theirs} blocks of code, {ORIGINAL} has {ours}");
        problems.push(Problem::in_file(GATE, TRANSLATION, what));
    }
    problems
}

fn read(text: &str) -> Page<'_> {
    let mut page = Page::default();
    let mut fence: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        match fence {
            Some(mark) if trimmed.starts_with(mark) => fence = None,
            Some(_) => page.blocks.last_mut().into_iter().for_each(|block| block.0.push(line)),
            None => {
                fence = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                if fence.is_some() {
                    page.blocks.push((vec![trimmed], at + 1));
                } else if (1..=6).contains(&level) && line[level..].starts_with(' ') {
                    page.headings.push((level, at + 1));
                }
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "# Mamparo\ntext\n## Start\n```sh\n# not a heading\ncargo run\n```\n";

    fn check_translation(translation: &str) -> Vec<String> {
        let tree = Tree::of(&[(ORIGINAL, ENGLISH), (TRANSLATION, translation)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prose_may_differ() {
        let spanish = "# Mamparo\ntexto\notro\n## Comienzo\n```sh\n# not a heading\ncargo run\n```\n";
        assert_eq!(check_translation(spanish), Vec::<String>::new());
        assert!(check(&Tree::of(&[(ORIGINAL, ENGLISH)])).is_empty());
    }

    #[test]
    fn headings_and_code_may_not() {
        let found =
            check_translation("# Mamparo\n## Comienzo\n## Fin\n```sh\n# not a heading\ncargo test\n```\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("3 headings, README.md has 2"), "{found:?}");
        assert!(found[1].starts_with("README.es.md:4:"), "{found:?}");
        assert!(check_translation("# Mamparo\n## Comienzo\n")[0].contains("0 blocks of code"));
        assert_eq!(check_translation(&ENGLISH.replace("## ", "### ")).len(), 1);
    }
}
