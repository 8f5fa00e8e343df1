//! `forwarded` (RFC 7239): elements between commas, pairs between semicolons, values as tokens or in quotes.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Client, node_address};

/// What one hop says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Who asked it.
    pub for_node: Option<String>,
    /// Where it was asked.
    pub by_node: Option<String>,
    /// The host that it was asked for.
    pub host: Option<String>,
    /// The scheme by which it was asked.
    pub proto: Option<String>,
}

/// A value that does not follow the grammar: none of it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed `forwarded` header")]
pub struct Malformed;

impl Element {
    /// The address of who asked, if it names one.
    pub fn address(&self) -> Option<IpAddr> {
        self.for_node.as_deref().and_then(node_address)
    }
}

/// Reads one line. Pairs of other names are let pass; a name that stands twice in an element is an error.
///
/// # Errors
/// The line does not follow the grammar.
pub fn parse(line: &str) -> Result<Vec<Element>, Malformed> {
    let mut elements = Vec::new();
    let mut rest = Cursor(line);
    loop {
        rest.skip_spaces();
        let (element, is_empty) = element(&mut rest)?;
        // A list may hold empty members (RFC 9110, 5.6.1.2).
        if !is_empty {
            elements.push(element);
        }
        rest.skip_spaces();
        match rest.next() {
            None => return Ok(elements),
            Some(',') => {}
            Some(_) => return Err(Malformed),
        }
    }
}

/// What is left of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, after) = self.0.split_at(end);
        self.0 = after;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A token, or what stands in quotes.
    fn value(&mut self) -> Result<String, Malformed> {
        if self.peek() != Some('"') {
            return self.token().map(str::to_owned);
        }
        self.next();
        let mut value = String::new();
        loop {
            match self.next().ok_or(Malformed)? {
                '"' => return Ok(value),
                '\\' => value.push(self.next().ok_or(Malformed)?),
                c if c == '\t' || !c.is_control() => value.push(c),
                _ => return Err(Malformed),
            }
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// One element, and whether nothing stood in it.
fn element(rest: &mut Cursor<'_>) -> Result<(Element, bool), Malformed> {
    let mut element = Element::default();
    let mut is_empty = true;
    let mut others = Vec::new();
    loop {
        // `;` may stand without a pair: the grammar has it so.
        if !matches!(rest.peek(), None | Some(',' | ';' | ' ' | '\t')) {
            let name = rest.token()?.to_ascii_lowercase();
            if rest.next() != Some('=') {
                return Err(Malformed);
            }
            let value = rest.value()?;
            is_empty = false;
            let place = match name.as_str() {
                "for" => &mut element.for_node,
                "by" => &mut element.by_node,
                "host" => &mut element.host,
                "proto" => &mut element.proto,
                _ if others.contains(&name) => return Err(Malformed),
                _ => {
                    others.push(name);
                    &mut None
                }
            };
            if place.replace(value).is_some() {
                return Err(Malformed);
            }
        }
        if rest.peek() != Some(';') {
            return Ok((element, is_empty));
        }
        rest.next();
    }
}

/// The hops of a request as a line, the client first.
pub(super) fn text(client: &Client) -> String {
    let mut text = String::new();
    node(client.address, &mut text);
    if let Some(host) = client.host.as_ref().and_then(|host| host.to_str().ok())
        && !host.contains(['"', '\\'])
    {
        let _ = write!(text, ";host=\"{host}\"");
    }
    let _ = write!(text, ";proto={}", if client.tls { "https" } else { "http" });
    for hop in &client.via {
        text.push_str(", ");
        node(*hop, &mut text);
    }
    text
}

fn node(address: IpAddr, text: &mut String) {
    let _ = match address {
        IpAddr::V4(address) => write!(text, "for={address}"),
        IpAddr::V6(address) => write!(text, "for=\"[{address}]\""),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(for_node: &str, by: &str, host: &str, proto: &str) -> Element {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Element { for_node: some(for_node), by_node: some(by), host: some(host), proto: some(proto) }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (line, elements) in [
            // RFC 7239, 4
            ("for=\"_gazonk\"", vec![element("_gazonk", "", "", "")]),
            ("For=\"[2001:db8:cafe::17]:4711\"", vec![element("[2001:db8:cafe::17]:4711", "", "", "")]),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                vec![element("192.0.2.60", "203.0.113.43", "", "http")],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                vec![element("192.0.2.43", "", "", ""), element("198.51.100.17", "", "", "")],
            ),
            // 6.3, 7.1
            (
                "for=_hidden, for=_SEVKISEK",
                vec![element("_hidden", "", "", ""), element("_SEVKISEK", "", "", "")],
            ),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                vec![
                    element("192.0.2.43", "", "", ""),
                    element("[2001:db8:cafe::17]", "", "", ""),
                    element("unknown", "", "", ""),
                ],
            ),
            // what the grammar also allows
            ("", vec![]),
            (" , ,for=a ,", vec![element("a", "", "", "")]),
            ("for=a;;host=\"b\\\"c\"", vec![element("a", "", "b\"c", "")]),
            ("for=a;secret=x,for=b;secret=x", vec![element("a", "", "", ""), element("b", "", "", "")]),
            ("proto=https;HOST=\"a,b;c\"", vec![element("", "", "a,b;c", "https")]),
        ] {
            assert_eq!(parse(line), Ok(elements), "{line}");
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused_whole() {
        for line in [
            "for",
            "for=",
            "=a",
            "for =a",
            "for= a",
            "for=a b",
            "for=\"a",
            "for=\"a\\",
            "for=\"a\"b",
            "for=a;for=b",
            "for=[::1]",
            "for=192.0.2.1:80",
            "a=1;a=2",
            "for=a,=",
            "for=\u{e9}",
            "for=\"a\nb\"",
        ] {
            assert_eq!(parse(line), Err(Malformed), "{line}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(line in ".{0,80}|[for=;,\" \\\\a:\\[\\]]{0,40}") {
            let _ = parse(&line);
        }

        #[test]
        fn what_is_written_reads_as_before(
            addresses in prop::collection::vec(any::<IpAddr>(), 1..6), tls in any::<bool>(),
        ) {
            let client = Client {
                address: addresses[0], tls, port: None, via: addresses[1..].to_vec(),
                host: Some(http::HeaderValue::from_static("shop.example:8443")),
            };
            let elements = parse(&text(&client)).unwrap();
            let read: Vec<_> = elements.iter().map(|element| element.address().unwrap()).collect();
            let expected: Vec<_> = addresses.iter().map(IpAddr::to_canonical).collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(elements[0].host.as_deref(), Some("shop.example:8443"));
        }
    }
}
