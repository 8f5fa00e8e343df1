//! What is said of connections before anything in them is a request.

use mamparo_config::check;

/// A file with a service and a listener for TLS, and `gateway` beside its certificates on the line after.
fn file(gateway: &str) -> String {
    format!(
        "version: 1\nservices: {{a: {{address: '127.0.0.1:1'}}}}\nlisteners: {{gateway_tls: '127.0.0.1:8443'}}\n\
         gateway: {{tls: {{certificates: [{{cert: c.pem, key: k.pem}}]}},\n  {gateway}}}\n"
    )
}

#[track_caller]
fn expect(text: &str, expected: &[&str]) {
    let problems = check(text, "f").expect_err("the file was accepted");
    let problems: Vec<String> = problems.iter().map(|one| one.to_string().replacen("f:", "", 1)).collect();
    assert_eq!(problems, expected, "{text}");
}

#[test]
fn balancers_are_listed_and_hosts_are_passed_on() {
    let config = check(
        &file(
            "proxy_protocol: {from: [10.0.0.0/8, '192.0.2.1']}, passthrough: [{hosts: [Shop.example, '*.b.example'], service: a}]",
        ),
        "f",
    )
    .unwrap();
    let gateway = config.gateway;
    assert!(gateway.proxy_protocol.contains("10.9.9.9".parse().unwrap()));
    assert!(!gateway.proxy_protocol.contains("192.0.2.2".parse().unwrap()));
    assert_eq!(gateway.passthrough[0].hosts, ["shop.example", "*.b.example"]);
    assert_eq!(gateway.passthrough[0].service, "a");
    let nothing = check("version: 1\n", "f").unwrap().gateway;
    assert!(nothing.proxy_protocol.is_empty() && nothing.passthrough.is_empty());
}

#[test]
fn what_does_not_hold_is_told_with_its_place() {
    expect(
        &file("proxy_protocol: {from: []}"),
        &[
            "5:26: gateway.proxy_protocol.from: nobody is named; leave `proxy_protocol` out, or name the balancers",
        ],
    );
    expect(
        &file("proxy_protocol: {from: [10.0.0.1/8, ten]}"),
        &[
            "5:27: gateway.proxy_protocol.from[0]: `10.0.0.1/8` has bits beyond its prefix; say `10.0.0.0/8`, or `10.0.0.1` for the one address",
            "5:39: gateway.proxy_protocol.from[1]: `ten` is neither a network such as `10.0.0.0/8` nor an address such as `192.0.2.1`",
        ],
    );
    expect(
        &file(
            "passthrough: [{hosts: [x.example, X.example, 'y:1'], service: b}, {hosts: [x.example], service: a}]",
        ),
        &[
            "5:37: gateway.passthrough[0].hosts[1]: `x.example` is passed on already",
            "5:48: gateway.passthrough[0].hosts[2]: `y:1` is not a host; a host alone, such as shop.example or *.shop.example",
            "5:65: gateway.passthrough[0].service: there is no service `b`; did you mean `a`?",
            "5:78: gateway.passthrough[1].hosts[0]: `x.example` is passed on already",
        ],
    );
    expect(
        "version: 1\nservices: {a: {address: '127.0.0.1:1'}}\ngateway: {passthrough: [{hosts: [x.example], service: a}]}\n",
        &[
            "3:24: gateway.passthrough: nothing listens for TLS, so that nothing could be passed on; say `listeners: {gateway_tls: 127.0.0.1:8443}`",
        ],
    );
}
