//! What stands in a certificate: for which hosts and workloads it is, whom it names, from when until when.

use mamparo_context::Timestamp;
use std::fmt::Write as _;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// What stands in a certificate, as far as we go by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The subject, as RFC 4514 writes it.
    pub(crate) subject: String,
    /// The DNS names among the subject alternative names.
    pub(crate) dns: Vec<String>,
    /// The URIs among them.
    pub(crate) uris: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Facts {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let (mut dns, mut uris) = (Vec::new(), Vec::new());
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => dns.push((*name).to_owned()),
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::Invalid(..) => return Err("a subject alternative name is malformed".to_owned()),
                _ => {}
            }
        }
        let seconds = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        let validity = certificate.validity();
        Ok(Self {
            subject: subject(certificate.subject()),
            dns,
            uris,
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        })
    }
}

/// A distinguished name in the form of RFC 4514, the most specific part first. What is special in a value is escaped,
/// so that no value can look like another attribute or break a line of a log.
fn subject(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (at, part) in parts.into_iter().rev().enumerate() {
        for (nth, attribute) in part.iter().enumerate() {
            if nth > 0 {
                text.push('+');
            } else if at > 0 {
                text.push(',');
            }
            match oid2abbrev(attribute.attr_type(), oid_registry()) {
                Ok(abbreviation) => text.push_str(abbreviation),
                Err(_) => text.push_str(&attribute.attr_type().to_id_string()),
            }
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(value, &mut text),
                Err(_) => {
                    text.push('#');
                    attribute.as_slice().iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
                }
            }
        }
    }
    text
}

fn escape(value: &str, into: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        let at_an_end = letter == ' ' && (at == 0 || at == last) || letter == '#' && at == 0;
        match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => into.extend(['\\', letter]),
            _ if at_an_end => into.extend(['\\', letter]),
            _ if letter.is_control() => {
                let mut bytes = [0; 4];
                letter.encode_utf8(&mut bytes).bytes().for_each(|byte| _ = write!(into, "\\{byte:02x}"));
            }
            _ => into.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_look_like_another_attribute() {
        for (value, expected) in [
            ("orders", "orders"),
            ("a, O=root", "a\\, O\\=root"),
            (" a b ", "\\ a b\\ "),
            ("#1", "\\#1"),
            ("a\nb", "a\\0ab"),
            ("ñ", "ñ"),
            ("", ""),
        ] {
            let mut text = String::new();
            escape(value, &mut text);
            assert_eq!(text, expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_facts() {
        assert!(Facts::read(b"").is_err());
        assert!(Facts::read(b"\x30\x03\x02\x01\x01").is_err());
    }
}
