//! Reads Rust source just well enough for the gates: what is code and what is a comment or a literal, where a
//! function begins and ends, whether a file defines a name. It is no parser and never refuses a file.

/// One function: its name, the line it begins on (from 1) and how many lines it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The text with comments and the insides of literals replaced by spaces. Every line keeps its place.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'r' if starts_word(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Lines of the product in a file: all of them, without the test module that closes it.
pub(crate) fn product_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].trim_end().ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

/// The functions of a file whose code is given by [`code_only`]; nested ones count for themselves too.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let rest = &code[at + 2..];
        let name: String = rest.trim_start().chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&code.as_bytes()[at..]) {
            let line = 1 + code[..at].matches('\n').count();
            found.push(Function { name, line, lines: 1 + code[at..at + end].matches('\n').count() });
        }
    }
    found
}

/// Whether the code (given by [`code_only`]) defines an item of this name.
pub(crate) fn defines(code: &str, name: &str) -> bool {
    const KEYWORDS: &[&str] =
        &["fn", "struct", "enum", "trait", "const", "static", "type", "mod", "macro_rules!"];
    words(code, name).any(|at| {
        let before = code[..at].trim_end();
        KEYWORDS.iter().any(|keyword| {
            before.strip_suffix(keyword).is_some_and(|rest| !rest.ends_with(is_word) && before.len() < at)
        })
    })
}

/// Whether a line of the code begins with this name, as a variant or a field does.
pub(crate) fn lists(code: &str, name: &str) -> bool {
    code.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_word))
    })
}

/// The places where `word` stands alone in `code`.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a word begins here, a `b` or `c` in front of a raw string set aside.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    let word = |at: usize| bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_';
    match at {
        0 => true,
        _ if !word(at - 1) => true,
        _ => matches!(bytes[at - 1], b'b' | b'c') && (at == 1 || !word(at - 2)),
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = &bytes[open + 1..];
    let length = inside.windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// The end of a character literal; none when this is a lifetime or a label.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let after = at + 3;
        let length = bytes.get(after..)?.iter().position(|byte| *byte == b'\'')?;
        return Some(after + length + 1);
    }
    let length = std::str::from_utf8(bytes.get(at + 1..(at + 5).min(bytes.len()))?)
        .or_else(|error| std::str::from_utf8(&bytes[at + 1..at + 1 + error.valid_up_to()]))
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (bytes.get(at + 1 + length) == Some(&b'\'')).then_some(at + 2 + length)
}

/// Where the body of a function that begins at 0 ends; none for a signature without a body.
fn body_end(code: &[u8]) -> Option<usize> {
    let mut inside = 0_usize; // of ( and [ in the signature
    let mut braces = 0_usize;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' if braces == 0 => inside += 1,
            b')' | b']' if braces == 0 => inside = inside.saturating_sub(1),
            b';' if braces == 0 && inside == 0 => return None,
            b'{' if inside == 0 || braces > 0 => braces += 1,
            b'}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"x.await\"; // .await\n/* tokio:: /* nested */\n still */ b.await;\n";
        let code = code_only(text);
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(code.matches(".await").count(), 1);
        assert!(!code.contains("tokio::"));
    }

    #[test]
    fn raw_strings_lifetimes_and_characters_are_told_apart() {
        for (text, kept) in [
            ("r#\"a \" }\"# }", "}"),
            ("br\"{\" }", "b        }"),
            ("'{' }", "}"),
            ("'\\'' }", "}"),
            ("'ñ' }", "}"),
            ("&'a str", "&'a str"),
            ("r#type", "r#type"),
            ("for\"{\"", "for"),
            ("\"unclosed }", ""),
            ("'", "'"),
        ] {
            let code = code_only(text);
            assert_eq!(code.split_whitespace().collect::<String>(), kept.replace(' ', ""), "{text}");
        }
    }

    #[test]
    fn functions_are_measured_and_signatures_are_not() {
        let text =
            "trait T { fn a(&self, x: [u8; 4]); }\nfn b(f: fn(u8) -> u8) {\n    if x { y }\n}\nfn c() {}\n";
        let found = functions(&code_only(text));
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("b", 2, 3), ("c", 5, 1)]);
    }

    #[test]
    fn a_name_is_defined_by_an_item_and_not_by_a_mention() {
        let code = code_only(
            "pub(crate) async fn accept() {}\nenum Phase {\n    Open,\n}\n// struct Ghost;\nuse x::Other;",
        );
        assert!(defines(&code, "accept") && defines(&code, "Phase"));
        assert!(!defines(&code, "Ghost") && !defines(&code, "Other") && !defines(&code, "Open"));
        assert!(lists(&code, "Open") && !lists(&code, "Ope"));
    }

    #[test]
    fn the_closing_test_module_is_not_product() {
        assert_eq!(product_lines("//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(product_lines("//! x\n#[cfg(test)]\nmod tests;\nfn a() {}\n"), 4);
    }
}
