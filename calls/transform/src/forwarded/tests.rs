//! Who is found to be the client, by whose word, and what the service is told.

use proptest::prelude::*;

use super::*;
use crate::config::InvalidConfig;
use crate::fields::tests::{map, values};

const HOST: HeaderValue = HeaderValue::from_static("own.example");

fn peer(address: &str) -> Hop<'static> {
    static OWN: HeaderValue = HOST;
    Hop { peer: address.parse().unwrap(), tls: false, host: Some(&OWN), port: 8080, texts: None }
}

fn rules(yaml: &str) -> Result<Forwarded, InvalidConfig> {
    Forwarded::new(&serde_saphyr::from_str(yaml).unwrap())
}

#[test]
fn by_default_every_claim_is_replaced() {
    let mut headers = map(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "443"),
        ("x-real-ip", "1.1.1.1"),
        ("forwarded", "for=1.1.1.1"),
        ("other", "1"),
    ]);
    let client = rules("{}").unwrap().apply(&mut headers, &peer("203.0.113.9"));
    assert_eq!((client.address.to_string(), client.tls, client.via.len()), ("203.0.113.9".into(), false, 0));
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "own.example"),
        ("x-forwarded-port", "8080"),
    ] {
        assert_eq!(values(&headers, name), [value]);
    }
    assert_eq!(headers.len(), 5);
}

#[test]
fn the_client_is_the_nearest_that_is_not_trusted() {
    let nets = "trusted_networks: [10.0.0.0/8, '2001:db8::/32']";
    for (yaml, from, claims, client, chain) in [
        // counted hops
        ("trusted_hops: 1", "10.0.0.1", "1.1.1.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        ("trusted_hops: 1", "10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (
            "trusted_hops: 2",
            "10.0.0.1",
            "6.6.6.6, 1.1.1.1, 10.0.0.2",
            "1.1.1.1",
            "1.1.1.1, 10.0.0.2, 10.0.0.1",
        ),
        ("trusted_hops: 2", "10.0.0.1", "1.1.1.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        ("trusted_hops: 1", "10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
        // networks
        (nets, "10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1", "1.1.1.1, 10.0.0.2, 10.0.0.1"),
        (nets, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        (nets, "2001:db8::1", "10.6.6.6, 2.2.2.2", "2.2.2.2", "2.2.2.2, 2001:db8::1"),
        (nets, "1.1.1.1", "10.0.0.2", "1.1.1.1", "1.1.1.1"),
        // malformed claims, and what stands before them
        (nets, "10.0.0.1", "1.1.1.1, x, 10.0.0.2", "10.0.0.2", "10.0.0.2, 10.0.0.1"),
        (nets, "10.0.0.1", "1.1.1.1, unknown", "10.0.0.1", "10.0.0.1"),
        (nets, "10.0.0.1", "1.1.1.1,,10.0.0.2", "10.0.0.2", "10.0.0.2, 10.0.0.1"),
        // ports are left out
        (nets, "10.0.0.1", "1.1.1.1:4711", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (nets, "10.0.0.1", "[2001:db9::1]:4711", "2001:db9::1", "2001:db9::1, 10.0.0.1"),
    ] {
        let mut headers = map(&[("x-forwarded-for", claims)]);
        let found = rules(yaml).unwrap().apply(&mut headers, &peer(from));
        assert_eq!(found.address.to_string(), client, "{yaml} {claims}");
        assert_eq!(values(&headers, "x-forwarded-for"), [chain], "{yaml} {claims}");
    }
}

#[test]
fn texts_that_are_at_hand_are_used_where_they_are_true() {
    let (address, port) = (HeaderValue::from_static("10.0.0.1"), HeaderValue::from_static("8080"));
    let hop = Hop { texts: Some((&address, &port)), ..peer("10.0.0.1") };
    for (lines, chain, port) in [
        (&[][..], "10.0.0.1", vec!["8080"]),
        (&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-port", "443")], "1.1.1.1, 10.0.0.1", vec!["443"]),
        (&[("x-forwarded-proto", "https")], "10.0.0.1", vec![]),
    ] {
        let mut headers = map(lines);
        rules("trusted_hops: 1").unwrap().apply(&mut headers, &hop);
        assert_eq!(values(&headers, "x-forwarded-for"), [chain]);
        assert_eq!(values(&headers, "x-forwarded-port"), port);
    }
    let mut headers = map(&[("x-forwarded-for", "1.1.1.1")]);
    rules("trusted_hops: 1").unwrap().trusting_nobody().apply(&mut headers, &hop);
    assert_eq!(values(&headers, "x-forwarded-for"), ["10.0.0.1"]);
}

#[test]
fn lines_are_one_list() {
    let headers = map(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1, 10.0.0.2")]);
    let trust = |_: usize, address: IpAddr| address.to_string().starts_with("10.");
    let client = find(ClaimHeaders::XForwarded, &trust, &headers, &peer("10.0.0.1"));
    assert_eq!(client.address.to_string(), "1.1.1.1");
}

#[test]
fn a_trusted_peer_is_believed_what_was_asked_of_it() {
    let trusting = rules("trusted_hops: 1").unwrap();
    for (lines, tls, host, port) in [
        (&[("x-forwarded-proto", "https")][..], true, "own.example", None),
        (
            &[("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "shop.example:8443")],
            true,
            "shop.example:8443",
            None,
        ),
        (&[("x-forwarded-port", "443")], false, "own.example", Some(443)),
        (&[], false, "own.example", Some(8080)),
        // malformed
        (&[("x-forwarded-proto", "https,http")], false, "own.example", Some(8080)),
        (&[("x-forwarded-proto", "gopher")], false, "own.example", Some(8080)),
        (&[("x-forwarded-host", "a b")], false, "own.example", Some(8080)),
        (
            &[("x-forwarded-host", "a.example"), ("x-forwarded-host", "b.example")],
            false,
            "own.example",
            Some(8080),
        ),
        (&[("x-forwarded-host", "a/../b")], false, "own.example", Some(8080)),
        (&[("x-forwarded-port", "0")], false, "own.example", Some(8080)),
        (&[("x-forwarded-port", "+1")], false, "own.example", Some(8080)),
        (&[("x-forwarded-port", "65536")], false, "own.example", Some(8080)),
    ] {
        let client = trusting.apply(&mut map(lines), &peer("10.0.0.1"));
        assert_eq!(
            (client.tls, client.host.unwrap().to_str().unwrap(), client.port),
            (tls, host, port),
            "{lines:?}"
        );
    }
}

#[test]
fn forwarded_is_read_where_it_is_asked_for_and_nothing_else_is() {
    let trusting = rules("{trusted_networks: [10.0.0.0/8], read: forwarded, write_forwarded: true}").unwrap();
    let both = [
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=9.9.9.9, for=1.1.1.1;proto=https;host=shop.example"),
        ("forwarded", "for=\"10.0.0.2:80\";proto=http;host=inner.example"),
    ];
    let mut headers = map(&both);
    let client = trusting.apply(&mut headers, &peer("10.0.0.1"));
    assert_eq!((client.address.to_string(), client.tls), ("1.1.1.1".into(), true));
    assert_eq!(client.host.unwrap(), "shop.example");
    assert_eq!(
        values(&headers, "forwarded"),
        ["for=1.1.1.1;host=\"shop.example\";proto=https, for=10.0.0.2, for=10.0.0.1"]
    );
    assert_eq!(values(&headers, "x-forwarded-for"), ["1.1.1.1, 10.0.0.2, 10.0.0.1"]);
    let unasked = rules("trusted_hops: 3").unwrap().apply(&mut map(&both[1..]), &peer("10.0.0.1"));
    assert_eq!(unasked.address.to_string(), "10.0.0.1");
    for malformed in ["for=1.1.1.1;for=2.2.2.2", "for=[::1]", "for=1.1.1.1,,x"] {
        let client = trusting.apply(&mut map(&[("forwarded", malformed)]), &peer("10.0.0.1"));
        assert_eq!((client.address.to_string(), client.tls), ("10.0.0.1".into(), false), "{malformed}");
    }
}

#[test]
fn more_than_can_be_read_claims_nothing() {
    let many = vec!["10.0.0.9"; 2_000].join(",");
    let mut headers = map(&[("x-forwarded-for", &many)]);
    let client = rules("trusted_networks: [10.0.0.0/8]").unwrap().apply(&mut headers, &peer("10.0.0.1"));
    assert_eq!(client.via.len(), 0);
    let few = vec!["10.0.0.9"; 100].join(",");
    let mut headers = map(&[("x-forwarded-for", &few)]);
    let client = rules("trusted_networks: [10.0.0.0/8]").unwrap().apply(&mut headers, &peer("10.0.0.1"));
    assert_eq!(client.via.len(), HOPS_MAX);
}

#[test]
fn what_cannot_be_trusted_is_named() {
    for (yaml, field) in [
        ("trusted_hops: 33", "trusted_hops"),
        ("trusted_networks: [10.0.0.0/8, 10.0.0.1/8]", "trusted_networks[1]"),
    ] {
        assert_eq!(rules(yaml).map(|_| ()).map_err(|error| error.field), Err(field.to_owned()));
    }
}

proptest! {
    /// Whatever a client sends beside: what is appended by a trusted hop decides.
    #[test]
    fn a_client_cannot_choose_its_address(claims in "[ -~]{0,60}", forwarded in "[ -~]{0,60}") {
        let mut headers = map(&[("x-forwarded-for", &format!("{claims}, 1.1.1.1")), ("forwarded", &forwarded)]);
        let client = rules("trusted_hops: 1").unwrap().apply(&mut headers, &peer("10.0.0.1"));
        prop_assert_eq!(client.address.to_string(), "1.1.1.1");
        prop_assert_eq!(values(&headers, "x-forwarded-for"), ["1.1.1.1, 10.0.0.1"]);
        let client = rules("{}").unwrap().apply(&mut map(&[("x-forwarded-for", &claims)]), &peer("10.0.0.1"));
        prop_assert_eq!(client.address.to_string(), "10.0.0.1");
    }
}
