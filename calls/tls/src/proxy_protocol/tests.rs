//! Headers as the specification shows them, and as nobody should send them.

use proptest::prelude::*;

use super::*;

fn header(source: &str, destination: &str, consumed: usize) -> Parsed {
    let addresses = Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
    Parsed::Header { addresses: Some(addresses), consumed }
}

fn without_addresses(consumed: usize) -> Parsed {
    Parsed::Header { addresses: None, consumed }
}

#[test]
fn lines_of_version_1() {
    let longest_unknown = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    for (line, parsed) in [
        // the example of the specification, with what follows it
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n",
            header("192.168.0.1:56324", "192.168.0.11:443", 47),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            header("255.255.255.255:65535", "255.255.255.255:65535", 56),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            header(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                104,
            ),
        ),
        ("PROXY TCP6 2001:DB8::1 ::1 0 1\r\n", header("[2001:db8::1]:0", "[::1]:1", 32)),
        ("PROXY UNKNOWN\r\n", without_addresses(15)),
        ("PROXY UNKNOWN anything at all\r\n\r\n", without_addresses(31)),
        (&longest_unknown, without_addresses(107)),
    ] {
        assert_eq!(parse(line.as_bytes()), parsed, "{line:?}");
    }
}

#[test]
fn lines_that_break_the_rules() {
    let endless = format!("PROXY UNKNOWN {}", "f".repeat(200));
    let one_too_long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
    for (line, problem) in [
        ("PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY must be followed by a space"),
        ("PROXY\r\n", "PROXY must be followed by a space"),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "the family must be TCP4, TCP6 or UNKNOWN"),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "the family must be TCP4, TCP6 or UNKNOWN"),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "the family must be TCP4, TCP6 or UNKNOWN"),
        ("PROXY UNKNOWNS\r\n", "the family must be TCP4, TCP6 or UNKNOWN"),
        ("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "not an address of the family"),
        ("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "not an address of the family"),
        ("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "not an address of the family"),
        ("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "not an address of the family"),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", "not an address of the family"),
        ("PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "not an address of the family"),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "not an address of the family"),
        ("PROXY TCP6 1::2::3 ::1 1 2\r\n", "not an address of the family"),
        ("PROXY TCP4\r\n", "not an address of the family"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "not a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "not a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "not a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "not a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", "not a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "nothing may follow the ports"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "nothing may follow the ports"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "the line must end with CR LF"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", "the line must end with CR LF"),
        ("PROXY UNKNOWN a\nb\r\n", "the line must end with CR LF"),
        (&endless, "no CR LF in the first 107 bytes"),
        (&one_too_long, "the line must end with CR LF"),
    ] {
        assert_eq!(parse(line.as_bytes()), Parsed::Malformed(problem), "{line:?}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN \xff\r\n"), Parsed::Malformed("the line must be ASCII"));
}

/// A header of version 2: command, family and protocol, and what follows its length.
fn binary(command: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, kind]);
    bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend(content);
    bytes
}

const V4: [u8; 12] = [10, 0, 0, 1, 10, 0, 0, 2, 0xdb, 0x04, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let mut content = vec![0; 36];
    content[15] = 1;
    content[31] = 2;
    content[32..].copy_from_slice(&[0xdb, 0x04, 0x01, 0xbb]);
    content
}

#[test]
fn headers_of_version_2() {
    let with_tlvs = [&V4[..], &[0x04, 0, 2, 9, 9], &[0x02, 0, 1, b'a']].concat();
    let v4 = |consumed| header("10.0.0.1:56068", "10.0.0.2:443", consumed);
    let v6_found = |consumed| header("[::1]:56068", "[::2]:443", consumed);
    for (what, bytes, parsed) in [
        ("TCP over IPv4", binary(0x21, 0x11, &V4), v4(28)),
        ("UDP over IPv4", binary(0x21, 0x12, &V4), v4(28)),
        ("TCP over IPv6", binary(0x21, 0x21, &v6()), v6_found(52)),
        ("UDP over IPv6", binary(0x21, 0x22, &v6()), v6_found(52)),
        ("with TLVs", binary(0x21, 0x11, &with_tlvs), v4(37)),
        ("LOCAL", binary(0x20, 0x00, &[]), without_addresses(16)),
        ("LOCAL with addresses", binary(0x20, 0x11, &V4), without_addresses(28)),
        ("LOCAL of any family", binary(0x20, 0xff, &[1, 2, 3]), without_addresses(19)),
        ("unspecified", binary(0x21, 0x00, &[7; 5]), without_addresses(21)),
        ("IPv4 without protocol", binary(0x21, 0x10, &V4), without_addresses(28)),
        ("Unix stream", binary(0x21, 0x31, &[b'x'; 216]), without_addresses(232)),
        (
            "the longest",
            binary(0x21, 0x11, &[10; 4096]),
            header("10.10.10.10:2570", "10.10.10.10:2570", 4112),
        ),
    ] {
        assert_eq!(parse(&bytes), parsed, "{what}");
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&followed), parsed, "{what}, followed by a request");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Parsed::Incomplete, "{what}, {end} bytes of it");
        }
    }
}

#[test]
fn headers_that_break_the_rules() {
    let family = "the family must be unspecified, IPv4, IPv6 or Unix, the protocol a stream or datagrams";
    for (bytes, problem) in [
        (binary(0x11, 0x11, &V4), "the version must be 2"),
        (binary(0x31, 0x11, &V4), "the version must be 2"),
        (binary(0x22, 0x11, &V4), "the command must be LOCAL or PROXY"),
        (binary(0x21, 0x41, &V4), family),
        (binary(0x21, 0x13, &V4), family),
        (binary(0x21, 0x11, &V4[..11]), "too short for the addresses of its family"),
        (binary(0x21, 0x21, &v6()[..35]), "too short for the addresses of its family"),
        (binary(0x21, 0x11, &[]), "too short for the addresses of its family"),
        (binary(0x21, 0x11, &[0; 4097]), "longer than 16 + 4096 bytes"),
    ] {
        assert_eq!(parse(&bytes), Parsed::Malformed(problem), "{bytes:?}");
    }
    let too_long = binary(0x21, 0x11, &[0; 4097]);
    assert_eq!(
        parse(&too_long[..16]),
        Parsed::Malformed("longer than 16 + 4096 bytes"),
        "without waiting for it"
    );
}

#[test]
fn what_is_no_header_is_absent() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0\r\n",
        b"POST",
        b"\x16\x03\x01",
        b"\r\n\r\nGET",
        b"\r\nGET",
        b"proxy",
    ] {
        assert_eq!(parse(bytes), Parsed::Absent, "{bytes:?}");
    }
    for bytes in [&b""[..], b"P", b"PR", b"PROXY", b"\r", b"\r\n\r\n\0", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r"]
    {
        assert_eq!(parse(bytes), Parsed::Incomplete, "{bytes:?}");
    }
}

#[test]
fn addresses_of_two_families_are_written_as_one() {
    let addresses = Addresses {
        source: "10.0.0.1:5".parse().unwrap(),
        destination: "[2001:db8::1]:443".parse().unwrap(),
    };
    assert_eq!(write_v1(Some(addresses)), "PROXY TCP6 ::ffff:10.0.0.1 2001:db8::1 5 443\r\n");
    let Parsed::Header { addresses: Some(read), .. } = parse(&write_v2(Some(addresses))) else { panic!() };
    assert_eq!(read.source.ip().to_canonical(), addresses.source.ip());
    assert_eq!(read.destination, addresses.destination);
}

fn any_addresses() -> impl Strategy<Value = Addresses> {
    let of = |source, destination| Addresses { source, destination };
    let v4 = || any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
    let v6 = || any::<([u8; 16], u16)>().prop_map(SocketAddr::from);
    prop_oneof![(v4(), v4()).prop_map(move |(a, b)| of(a, b)), (v6(), v6()).prop_map(move |(a, b)| of(a, b))]
}

/// Bytes that often begin like a header.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![
        Just(&b""[..]),
        Just(&b"PROXY "[..]),
        Just(&b"PROXY TCP4 "[..]),
        Just(&b"PROXY TCP6 ::"[..]),
        Just(&b"\r\n\r\n\0\r\nQUIT\n"[..]),
        Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..]),
        Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0"[..]),
    ];
    (begin, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(begin, rest)| [begin, &rest].concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(addresses in proptest::option::of(any_addresses()), rest: Vec<u8>) {
        for header in [write_v1(addresses).into_bytes(), write_v2(addresses)] {
            let followed = [&header[..], &rest].concat();
            prop_assert_eq!(parse(&followed), Parsed::Header { addresses, consumed: header.len() });
            for end in 0..header.len() {
                prop_assert_eq!(parse(&header[..end]), Parsed::Incomplete);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in any_bytes()) {
        match parse(&bytes) {
            Parsed::Incomplete => prop_assert!(bytes.len() < 16 + 4096),
            Parsed::Header { consumed, .. } => prop_assert!(consumed <= bytes.len()),
            Parsed::Absent | Parsed::Malformed(_) => {}
        }
    }

    #[test]
    fn a_verdict_stands_whatever_follows(bytes in any_bytes(), rest: Vec<u8>) {
        let verdict = parse(&bytes);
        if verdict != Parsed::Incomplete {
            prop_assert_eq!(parse(&[&bytes[..], &rest].concat()), verdict);
        }
    }
}
