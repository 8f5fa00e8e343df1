//! Tables of rules and what they do.

use super::*;
use crate::fields::tests::{map, values};
use crate::variables::tests::Known;
use crate::{Variable, Variables};

fn read(yaml: &str) -> Result<Headers, InvalidConfig> {
    Headers::new(&serde_saphyr::from_str(yaml).unwrap())
}

fn on_request(yaml: &str, before: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = map(before);
    read(yaml).unwrap().request(&mut headers, &Known);
    headers
}

#[test]
fn rules_apply_in_their_order() {
    let yaml = "
request:
  add: {x-many: two}
  set: {x-one: '{route}', X-Client: '{client_ip}'}
  remove: [x-secret, x-old]
  rename: {x-old: x-new}
";
    let before = [
        ("x-many", "one"),
        ("x-one", "a"),
        ("x-one", "b"),
        ("x-secret", "s"),
        ("x-old", "1"),
        ("x-old", "2"),
    ];
    let after = on_request(yaml, &before);
    assert_eq!(values(&after, "x-many"), ["one", "two"]);
    assert_eq!(values(&after, "x-one"), ["orders"]);
    assert_eq!(values(&after, "x-client"), ["192.0.2.7"]);
    assert_eq!(values(&after, "x-new"), ["1", "2"]);
    assert_eq!(after.len(), 6);
}

#[test]
fn a_rename_replaces_what_stood_under_the_new_name() {
    let after = on_request("request: {rename: {a: b}}", &[("a", "1"), ("b", "forged")]);
    assert_eq!((values(&after, "b"), after.len()), (vec!["1".to_owned()], 1));
    let same = on_request("request: {rename: {a: A}}", &[("a", "1")]);
    assert_eq!(values(&same, "a"), ["1"]);
    let absent = on_request("request: {rename: {a: b}}", &[("b", "1")]);
    assert_eq!(values(&absent, "b"), ["1"]);
}

#[test]
fn what_a_client_said_under_a_name_that_is_set_never_passes() {
    let after = on_request("request: {set: {x-user: '{evil}'}}", &[("x-user", "root")]);
    assert!(after.is_empty());
}

#[test]
fn what_cannot_be_a_rule_is_named() {
    for (yaml, field) in [
        ("request: {set: {Host: a}}", "request.set.Host"),
        ("request: {set: {content-length: '1'}}", "request.set.content-length"),
        ("answer: {add: {transfer-encoding: chunked}}", "answer.add.transfer-encoding"),
        ("answer: {remove: [x-a, connection]}", "answer.remove[1]"),
        ("answer: {remove: [x-a, X-A]}", "answer.remove[1]"),
        ("request: {rename: {te: x}}", "request.rename.te"),
        ("request: {rename: {x: upgrade}}", "request.rename.x"),
        ("request: {set: {mamparo-principal: root}}", "request.set.mamparo-principal"),
        ("request: {set: {'a b': c}}", "request.set.a b"),
        ("request: {set: {x-a: '{'}}", "request.set.x-a"),
        ("request: {set: {x-a: a, X-A: b}}", "request.set.x-a"),
        ("security: {hsts: {preload: true}}", "security.hsts.preload"),
        ("security: {hsts: {max_age: 9999d}}", "security.hsts.max_age"),
        ("security: {content_security_policy: ''}", "security.content_security_policy"),
        ("security: {content_security_policy: \"a\\nb\"}", "security.content_security_policy"),
    ] {
        assert_eq!(read(yaml).map(|_| ()).map_err(|error| error.field), Err(field.to_owned()), "{yaml}");
    }
    let many: BTreeMap<String, String> = (0..65).map(|n| (format!("x-{n}"), String::new())).collect();
    let rules = HeaderRules { set: many, ..HeaderRules::default() };
    let config = HeadersConfig { answer: rules, ..HeadersConfig::default() };
    assert_eq!(config.check().unwrap_err().field, "answer.set");
}

const CAREFUL: &str = "
security:
  hsts: {include_subdomains: true, preload: true}
  frame_options: sameorigin
  content_type_options: true
  referrer_policy: strict-origin-when-cross-origin
  content_security_policy: default-src 'self'
";

#[test]
fn a_browser_is_asked_for_care() {
    let mut headers = HeaderMap::new();
    read(CAREFUL).unwrap().answer(&mut headers, &Known);
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("content-security-policy", "default-src 'self'"),
    ] {
        assert_eq!(values(&headers, name), [value]);
    }
}

#[test]
fn what_the_service_says_stays_and_plain_text_promises_no_tls() {
    struct Plain;
    impl Variables for Plain {
        fn value(&self, variable: Variable<'_>) -> Option<std::borrow::Cow<'_, str>> {
            (variable == Variable::Scheme).then_some("http".into())
        }
    }
    let mut headers = map(&[("content-security-policy", "default-src 'none'")]);
    read(CAREFUL).unwrap().answer(&mut headers, &Plain);
    assert_eq!(values(&headers, "content-security-policy"), ["default-src 'none'"]);
    assert!(!headers.contains_key("strict-transport-security"));
}

#[test]
fn captures_of_all_rules_are_told() {
    let headers = read("{request: {set: {a: '{id} {host}'}}, answer: {add: {b: '{rest}'}}}").unwrap();
    assert_eq!(headers.captures().collect::<Vec<_>>(), ["id", "rest"]);
}
