//! What a file may say about TLS, and what it is told when it says something else.

use super::*;

fn listener(text: &str) -> TlsConfig {
    serde_json::from_str(text).unwrap()
}

fn problem_of(text: &str) -> String {
    listener(text).check().unwrap_err().to_string()
}

#[test]
fn the_shortest_listener_has_the_defaults_of_the_manual() {
    let config = listener(r#"{"certificates": [{"cert": "a.pem", "key": "a.key"}]}"#);
    assert_eq!(config.check(), Ok(()));
    assert_eq!(config.client_auth, ClientAuth::None);
    assert_eq!(config.unknown_host, UnknownHost::FirstCertificate);
    assert_eq!(config.min_version, TlsVersion::V1_2);
    assert_eq!(config.alpn, [Protocol::Http2, Protocol::Http1]);
}

#[test]
fn a_version_may_be_a_number_or_a_text() {
    for (text, version) in
        [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3), (r#""1.2""#, TlsVersion::V1_2)]
    {
        assert_eq!(serde_json::from_str::<TlsVersion>(text).unwrap(), version, "{text}");
    }
    for text in ["1.1", r#""1.1""#, r#""tls1.2""#, "1", "null"] {
        assert!(serde_json::from_str::<TlsVersion>(text).is_err(), "{text}");
    }
    assert_eq!(serde_json::to_string(&TlsVersion::V1_3).unwrap(), r#""1.3""#);
}

#[test]
fn what_is_wrong_with_a_listener_is_said_with_its_place() {
    for (text, problem) in [
        ("{}", "certificates: at least one, with `cert` and `key`"),
        (r#"{"certificates": [{"cert": "", "key": "k"}]}"#, "certificates[0].cert: the path of a PEM file"),
        (r#"{"certificates": [{"cert": "c", "key": ""}]}"#, "certificates[0].key: the path of a PEM file"),
        (
            r#"{"certificates": [{"cert": "c", "key": "k", "hosts": ["a.b", "a.b:443"]}]}"#,
            "certificates[0].hosts[1]: `a.b:443` is no host: say a name such as `shop.example` or `*.shop.example`, \
             without scheme, port and path",
        ),
        (
            r#"{"certificates": [{"cert": "c", "key": "k"}], "client_auth": "required"}"#,
            "client_ca: needed where client_auth is `optional` or `required`: the file with the authorities of the \
             clients",
        ),
        (
            r#"{"certificates": [{"cert": "c", "key": "k"}], "client_ca": "ca.pem"}"#,
            "client_ca: nobody is asked for a certificate: say `client_auth: required` or `optional`, or leave it out",
        ),
        (
            r#"{"certificates": [{"cert": "c", "key": "k"}], "alpn": ["h2", "http/1.1", "h2"]}"#,
            "alpn[2]: each protocol once",
        ),
    ] {
        assert_eq!(problem_of(text), problem);
    }
    let unknown = r#"{"certificates": [], "verify": false}"#;
    assert!(serde_json::from_str::<TlsConfig>(unknown).is_err());
}

#[test]
fn an_upstream_says_its_authorities_in_one_word_or_by_a_file() {
    let upstream = |text| serde_json::from_str::<UpstreamTlsConfig>(text).unwrap();
    assert_eq!(upstream("{}").ca, CertificateAuthority::System);
    assert_eq!(upstream(r#"{"ca": "system"}"#).ca, CertificateAuthority::System);
    assert_eq!(upstream(r#"{"ca": "x/ca.pem"}"#).ca, CertificateAuthority::File("x/ca.pem".into()));
    let config = upstream(r#"{"ca": "x/ca.pem", "name": "orders.example", "alpn": ["h2"]}"#);
    let again: UpstreamTlsConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    for (text, problem) in [
        (r#"{"ca": ""}"#, "ca: `system`, or the path of a PEM file"),
        (r#"{"name": "a:1"}"#, "name: a host such as `shop.example`, or an address, without scheme and port"),
        (r#"{"client_cert": "c"}"#, "client_key: client_cert is there and needs its private key"),
        (r#"{"client_key": "k"}"#, "client_cert: client_key is there and needs its certificate"),
        (r#"{"client_key": "", "client_cert": "c"}"#, "client_key: the path of a PEM file"),
    ] {
        assert_eq!(upstream(text).check().unwrap_err().to_string(), problem);
    }
    for name in ["10.0.0.1", "::1", "shop.example"] {
        assert_eq!(
            UpstreamTlsConfig { name: Some(name.into()), ..UpstreamTlsConfig::default() }.check(),
            Ok(())
        );
    }
    assert!(serde_json::from_str::<UpstreamTlsConfig>(r#"{"verify": false}"#).is_err());
}

#[test]
fn the_schema_knows_both_forms_of_a_version() {
    let schema = serde_json::to_string(&schemars::schema_for!(TlsConfig)).unwrap();
    assert!(schema.contains(r#"["1.2","1.3",1.2,1.3]"#), "{schema}");
}
