//! Version 1 of the PROXY protocol: one line of text (section 2.1).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, Parsed};
use crate::limits::PROXY_V1_BYTES;

pub(super) const SIGNATURE: &[u8] = b"PROXY";

/// Reads bytes that begin like a line.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let window = bytes.get(..PROXY_V1_BYTES).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if window.len() < PROXY_V1_BYTES {
            Parsed::Incomplete
        } else {
            Parsed::Malformed("no CR LF in the first 107 bytes")
        };
    };
    match window.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if window.len() < PROXY_V1_BYTES => return Parsed::Incomplete,
        _ => return Parsed::Malformed("the line must end with CR LF"),
    }
    let line = window.get(..end).and_then(|line| std::str::from_utf8(line).ok());
    match line.ok_or("the line must be ASCII").and_then(read) {
        Ok(addresses) => Parsed::Header { addresses, consumed: end + 2 },
        Err(problem) => Parsed::Malformed(problem),
    }
}

fn read(line: &str) -> Result<Option<Addresses>, &'static str> {
    let mut words = line.split(' ');
    // The first is the signature: without a space after it, nothing follows.
    let signature = words.next().unwrap_or_default();
    let family = words.next().filter(|_| signature.as_bytes() == SIGNATURE);
    let family = family.ok_or("PROXY must be followed by a space")?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let mut addresses = || match family {
        "TCP4" => {
            Ok((address::<std::net::Ipv4Addr>(words.next())?, address::<std::net::Ipv4Addr>(words.next())?))
        }
        "TCP6" => {
            Ok((address::<std::net::Ipv6Addr>(words.next())?, address::<std::net::Ipv6Addr>(words.next())?))
        }
        _ => Err("the family must be TCP4, TCP6 or UNKNOWN"),
    };
    let (source, destination) = addresses()?;
    let (from, to) = (port(words.next())?, port(words.next())?);
    if words.next().is_some() {
        return Err("nothing may follow the ports");
    }
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Ok(Some(Addresses { source, destination }))
}

fn address<T: FromStr + Into<IpAddr>>(word: Option<&str>) -> Result<IpAddr, &'static str> {
    let address = word.and_then(|word| word.parse::<T>().ok());
    address.map(Into::into).ok_or("not an address of the family")
}

fn port(word: Option<&str>) -> Result<u16, &'static str> {
    // `parse` alone would take `+80` and `080`.
    let canonical = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_digit()) && (*word == "0" || !word.starts_with('0'))
    };
    word.filter(canonical).and_then(|word| word.parse().ok()).ok_or("not a port")
}

/// The line that says `addresses`, or that they are not known.
pub fn write_v1(addresses: Option<Addresses>) -> String {
    let Some(addresses) = addresses.map(Addresses::of_one_family) else {
        return "PROXY UNKNOWN\r\n".to_owned();
    };
    let (source, destination) = (addresses.source, addresses.destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip())
}
