//! Hellos of real clients, whole, cut, split over records and broken, and bytes that are none.

use std::sync::Arc;

use mamparo_tls::hello::{ClientHello, Parsed};
use proptest::prelude::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// The first bytes of a client of ours.
fn hello(host: &str, alpn: &[&str], version: &'static SupportedProtocolVersion) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn expected(name: Option<&str>, alpn: &[&str]) -> Parsed {
    let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Parsed::Hello(ClientHello { server_name: name.map(str::to_owned), alpn })
}

/// The same message in records of these lengths, the last one as often as needed.
fn split(hello: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut rest = &hello[5..];
    let mut bytes = Vec::new();
    let mut lengths = lengths.iter().copied();
    let mut length = 1;
    while !rest.is_empty() {
        length = lengths.next().unwrap_or(length).min(rest.len());
        bytes.extend([22, 3, 1]);
        bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        bytes.extend(&rest[..length]);
        rest = &rest[length..];
    }
    bytes
}

#[test]
fn the_host_and_the_protocols_of_a_real_client() {
    for version in [&TLS12, &TLS13] {
        for (host, alpn, name) in [
            ("shop.example", &["h2", "http/1.1"][..], Some("shop.example")),
            ("Shop.EXAMPLE", &[], Some("shop.example")),
            ("10.0.0.1", &["acme-tls/1"], None),
            ("::1", &[], None),
        ] {
            let bytes = hello(host, alpn, version);
            assert_eq!(ClientHello::parse(&bytes), expected(name, alpn), "{host}");
            let more = [&bytes[..], &[20, 3, 3, 0, 1, 1]].concat();
            assert_eq!(ClientHello::parse(&more), expected(name, alpn), "followed by another record");
        }
    }
    let Parsed::Hello(hello) = ClientHello::parse(&hello("a.example", &["acme-tls/1"], &TLS13)) else {
        panic!()
    };
    assert!(hello.offers(b"acme-tls/1") && !hello.offers(b"h2"));
}

#[test]
fn a_part_of_a_hello_is_incomplete() {
    let bytes = hello("shop.example", &["h2"], &TLS13);
    for end in 0..bytes.len() {
        assert_eq!(ClientHello::parse(&bytes[..end]), Parsed::Incomplete, "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn what_is_no_hello_is_told_from_its_first_bytes() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0",
        b"SSH-2.0-",
        b"\x15\x03\x03\x00\x02",
        b"\x16\x02",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x10\x02",
        // a hello of more than 16 KB
        b"\x16\x03\x01\x40\x00\x01\x00\x40\x00",
        b"\x16\x03\x01\x00\x10\x01\x01\x00\x00",
    ] {
        assert_eq!(ClientHello::parse(bytes), Parsed::NotTls, "{bytes:?}");
    }
}

#[test]
fn records_of_one_byte_do_not_go_on_for_ever() {
    let endless = split(&[&[0; 5][..], &[1, 0, 0x3f, 0xf0], &[0; 16_000]].concat(), &[1]);
    assert_eq!(ClientHello::parse(&endless[..16 * 1024 - 1]), Parsed::Incomplete);
    assert_eq!(ClientHello::parse(&endless[..16 * 1024]), Parsed::NotTls);
}

/// A hello by hand, in one record: versions, random, session, ciphers and compressions are in order.
fn by_hand(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, content) in extensions {
        list.extend(kind.to_be_bytes());
        list.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        list.extend(*content);
    }
    let mut body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0]].concat();
    if !extensions.is_empty() {
        body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list);
    }
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

#[test]
fn hellos_by_hand() {
    let name: &[u8] = b"\0\x06\0\0\x03a.b";
    for (what, extensions, parsed) in [
        ("none", vec![], expected(None, &[])),
        ("a name", vec![(0, name)], expected(Some("a.b"), &[])),
        ("others around it", vec![(0x0a0a, &b""[..]), (0, name), (21, b"\0\0")], expected(Some("a.b"), &[])),
        ("a name twice", vec![(0, name), (0, name)], Parsed::NotTls),
        ("no name", vec![(0, b"")], Parsed::NotTls),
        ("an empty list", vec![(0, b"\0\0")], Parsed::NotTls),
        ("an empty name", vec![(0, b"\0\x03\0\0\0")], Parsed::NotTls),
        ("a list that is longer than it says", vec![(0, b"\0\x06\0\0\x03a.b!")], Parsed::NotTls),
        ("two names", vec![(0, b"\0\x0c\0\0\x03a.b\0\0\x03a.b")], Parsed::NotTls),
        ("a name of another kind", vec![(0, b"\0\x06\x01\0\x03a.b")], Parsed::NotTls),
        ("a name with a zero", vec![(0, b"\0\x06\0\0\x03a\0b")], Parsed::NotTls),
        ("a name that is no UTF-8", vec![(0, b"\0\x06\0\0\x03a\xffb")], Parsed::NotTls),
        ("a star", vec![(0, b"\0\x08\0\0\x05*.a.b")], Parsed::NotTls),
        ("an address", vec![(0, b"\0\x0a\0\0\x071.2.3.4")], expected(None, &[])),
        ("a protocol", vec![(16, b"\0\x03\x02h2")], expected(None, &["h2"])),
        ("no protocol", vec![(16, b"\0\0")], Parsed::NotTls),
        ("an empty protocol", vec![(16, b"\0\x01\0")], Parsed::NotTls),
        ("a protocol that is cut", vec![(16, b"\0\x03\x03h2")], Parsed::NotTls),
    ] {
        assert_eq!(ClientHello::parse(&by_hand(&extensions)), parsed, "{what}");
    }
}

proptest! {
    #[test]
    fn a_hello_may_be_split_over_records(lengths in proptest::collection::vec(1..600usize, 1..20)) {
        let bytes = split(&hello("shop.example", &["h2"], &TLS13), &lengths);
        // the last length fills the rest: very short ones make it longer than what is read
        if bytes.len() < 16 * 1024 {
            prop_assert_eq!(ClientHello::parse(&bytes), expected(Some("shop.example"), &["h2"]));
            prop_assert_eq!(ClientHello::parse(&bytes[..bytes.len() - 1]), Parsed::Incomplete);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>, length in 0..200u16) {
        ClientHello::parse(&bytes);
        let record = [&[22, 3, 1][..], &length.to_be_bytes(), &bytes].concat();
        ClientHello::parse(&record);
        let hello = [&[22, 3, 1, 1, 0, 1, 0, 0][..], &length.to_be_bytes()[1..], &bytes].concat();
        ClientHello::parse(&hello);
    }

    #[test]
    fn a_broken_hello_is_survived(
        at in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end: prop::sample::Index,
    ) {
        let mut bytes = hello("shop.example", &["h2", "http/1.1"], &TLS12);
        for (at, byte) in at {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        ClientHello::parse(&bytes);
        let end = end.index(bytes.len());
        ClientHello::parse(&bytes[..end]);
    }
}
