//! The address in the name of a hop: `192.0.2.1`, `192.0.2.1:47`, `2001:db8::1`, `[2001:db8::1]:47`. `unknown` and
//! names that hide one (`_gateway`) have none (RFC 7239, 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a hop, without its port.
pub fn node_address(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return has_port(port).then(|| IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, _) = node.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    has_port(node.get(node.find(':')?..)?).then_some(IpAddr::V4(address))
}

/// Nothing, or `:` with a number, or with a name that hides one.
fn has_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let is_number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    is_number || port.strip_prefix('_').is_some_and(is_hidden)
}

fn is_hidden(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_ports() {
        for (node, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:47011", Some("192.0.2.1")),
            ("192.0.2.1:_a", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:47011", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:x", None),
            ("192.0.2.256", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("fe80::1%eth0", None),
            (" 192.0.2.1", None),
        ] {
            assert_eq!(node_address(node), address.map(|text| text.parse().unwrap()), "{node}");
        }
    }
}
