//! Version 2 of the PROXY protocol: a header in binary (section 2.2). What follows the addresses in it (TLVs) is passed
//! over.

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, Parsed};
use crate::limits::PROXY_V2_BYTES;
use crate::reader::Reader;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of the signature, version and command, family and protocol, length.
const HEADER: usize = 16;
const VERSION: u8 = 0x20;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const STREAM_V4: u8 = 0x11;
const STREAM_V6: u8 = 0x21;

/// Reads bytes that begin like the signature. What is wrong is told from the first byte that says so.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut reader = Reader(bytes);
    let Some(command) = reader.take(SIGNATURE.len()).and_then(|_| reader.u8()) else {
        return Parsed::Incomplete;
    };
    if command & 0xf0 != VERSION {
        return Parsed::Malformed("the version must be 2");
    }
    let command = command & 0x0f;
    if command > PROXY {
        return Parsed::Malformed("the command must be LOCAL or PROXY");
    }
    let Some(kind) = reader.u8() else { return Parsed::Incomplete };
    if command == PROXY && (kind >> 4 > 3 || kind & 0x0f > 2) {
        return Parsed::Malformed(
            "the family must be unspecified, IPv4, IPv6 or Unix, the protocol a stream or datagrams",
        );
    }
    let Some(length) = reader.u16().map(usize::from) else { return Parsed::Incomplete };
    if length > PROXY_V2_BYTES {
        return Parsed::Malformed("longer than 16 + 4096 bytes");
    }
    let Some(content) = reader.take(length) else { return Parsed::Incomplete };
    let consumed = HEADER + length;
    if command == LOCAL {
        return Parsed::Header { addresses: None, consumed };
    }
    match addresses(kind, Reader(content)) {
        Some(addresses) => Parsed::Header { addresses, consumed },
        None => Parsed::Malformed("too short for the addresses of its family"),
    }
}

/// The addresses, if the family has any that can be used; nothing at all when they are cut off. Datagrams count too: a
/// client may have come over QUIC.
fn addresses(kind: u8, mut reader: Reader<'_>) -> Option<Option<Addresses>> {
    let (source, destination): (IpAddr, IpAddr) = match kind {
        0x11 | 0x12 => (reader.v4()?.into(), reader.v4()?.into()),
        0x21 | 0x22 => (reader.v6()?.into(), reader.v6()?.into()),
        _ => return Some(None),
    };
    let (from, to) = (reader.u16()?, reader.u16()?);
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Some(Some(Addresses { source, destination }))
}

/// The header that says `addresses`, or that we speak for ourselves (LOCAL), without TLVs.
pub fn write_v2(addresses: Option<Addresses>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some(Addresses { source, destination }) = addresses.map(Addresses::of_one_family) else {
        header.extend([VERSION | LOCAL, 0, 0, 0]);
        return header;
    };
    let kind = if source.is_ipv4() { STREAM_V4 } else { STREAM_V6 };
    let length = if source.is_ipv4() { 12 } else { 36 };
    header.extend([VERSION | PROXY, kind, 0, length]);
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend(source.port().to_be_bytes());
    header.extend(destination.port().to_be_bytes());
    header
}
