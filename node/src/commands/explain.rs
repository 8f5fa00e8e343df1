//! `mamparo explain`: the page of an error.

use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output;

/// The pages, in order.
const PAGES: &[(&str, &str)] = &[
    ("MP-0001", include_str!("../../../docs/errors/MP-0001.md")),
    ("MP-0002", include_str!("../../../docs/errors/MP-0002.md")),
    ("MP-0003", include_str!("../../../docs/errors/MP-0003.md")),
    ("MP-0004", include_str!("../../../docs/errors/MP-0004.md")),
    ("MP-0005", include_str!("../../../docs/errors/MP-0005.md")),
    ("MP-0006", include_str!("../../../docs/errors/MP-0006.md")),
    ("MP-0007", include_str!("../../../docs/errors/MP-0007.md")),
    ("MP-0008", include_str!("../../../docs/errors/MP-0008.md")),
    ("MP-0009", include_str!("../../../docs/errors/MP-0009.md")),
];

/// Explain an error by its code: what it means, what causes it, what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mamparo explain MP-0002\n  mamparo explain          list all codes")]
pub(crate) struct Args {
    /// The code, such as MP-0002; without it all codes are listed.
    code: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let Some(code) = &args.code else {
        list(args.json);
        return Ok(());
    };
    let wanted = code.to_ascii_uppercase();
    let wanted = if wanted.starts_with("MP-") { wanted } else { format!("MP-{wanted:0>4}") };
    let page = PAGES.iter().find(|(code, _)| *code == wanted);
    let Some((code, text)) = page else { return Err(Failure::not_found(format!("page {code}"))) };
    if args.json {
        output::json(&json!({ "code": code, "title": title(text), "text": text }));
    } else {
        output::data(text);
    }
    Ok(())
}

fn list(json: bool) {
    if json {
        let pages = PAGES.iter().map(|(code, text)| json!({ "code": code, "title": title(text) }));
        output::json(&pages.collect());
    } else {
        let rows: Vec<Vec<String>> =
            PAGES.iter().map(|(code, text)| vec![(*code).into(), title(text)]).collect();
        output::data(&output::table(&["code", "meaning"], &rows));
    }
}

/// What stands after the code in the first line of a page.
fn title(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    first.split_once(": ").map_or(first, |(_, title)| title).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_what_it_means_and_what_to_do() {
        for (code, text) in PAGES {
            assert!(text.starts_with(&format!("# {code}: ")), "{code}");
            for part in ["## Causes", "## What to do", "Exit code: "] {
                assert!(text.contains(part), "{code} has no `{part}`");
            }
        }
    }

    #[test]
    fn every_page_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("MP-"))
            .collect();
        files.sort();
        let pages: Vec<String> = PAGES.iter().map(|(code, _)| format!("{code}.md")).collect();
        assert_eq!(files, pages);
    }
}
