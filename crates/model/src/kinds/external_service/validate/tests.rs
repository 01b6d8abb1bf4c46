//! Addresses, tags and TLS.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::{kinds::EXTERNAL_SERVICE, validation::tests::*};

fn valid() -> Value {
    json!({
        "networking": {
            "address": "example.com:443",
            "tls": {
                "enabled": true,
                "caCert": { "secret": "ca" },
                "clientCert": { "secret": "cert" },
                "clientKey": { "secret": "key" },
                "allowRenegotiation": false,
                "serverName": "other.example.com",
                "skipHostnameVerification": true,
            },
            "disableHostDNSEntry": true,
        },
        "tags": { "kuma.io/service": "backend", "kuma.io/protocol": "http2", "version": "1" },
    })
}

fn of_address(address: &str) -> Value {
    json!({ "networking": { "address": address }, "tags": { "kuma.io/service": "backend" } })
}

#[test]
fn addresses() {
    for address in ["192.168.0.1:8080", "example.com:1", "[fd00:a123::1]:65535", "a_b.c.:80"] {
        assert_valid(EXTERNAL_SERVICE, &of_address(address));
    }
    const NO_HOST: &str =
        "networking.address: address has to be a valid IP address or a domain name";
    const NO_ADDRESS: [&str; 4] = [
        "networking.address: unable to parse address",
        NO_HOST,
        "networking.address: unable to parse port in address",
        "networking.address: port must be in the range [1, 65535]",
    ];
    const RANGE: &[&str] = &["networking.address: port must be in the range [1, 65535]"];
    let rows: [(&str, &[&str]); 9] = [
        ("", &["networking.address: address can't be empty"]),
        ("..>_<..:8080", &[NO_HOST]),
        ("http://example.com:8080", &NO_ADDRESS),
        ("fd00:1234::1:8080", &NO_ADDRESS),
        ("example.com", &NO_ADDRESS),
        ("192.168.0.1:65536", RANGE),
        ("192.168.0.1:0", RANGE),
        ("-a.test:80", &[NO_HOST]),
        ("example.com:+80", &NO_ADDRESS[2..]),
    ];
    for (address, expected) in rows {
        assert_eq!(
            violations(EXTERNAL_SERVICE, &of_address(address)),
            expected,
            "{address}"
        );
    }
}

#[test]
fn tags_and_networking() {
    check(
        EXTERNAL_SERVICE,
        &valid(),
        &[
            (
                &[("/networking", Value::Null)],
                &["networking: should have networking"],
            ),
            (
                &[("/tags", json!({ "version": "v@1" }))],
                &[
                    "tags[\"version\"]: tag value must consist of alphanumeric characters, dots, \
                     dashes and underscores",
                    "tags: mandatory tag \"kuma.io/service\" is missing",
                ],
            ),
            (
                &[("/tags/kuma.io~1protocol", json!("not-yet-supported"))],
                &[
                    "tags[\"kuma.io/protocol\"]: tag \"kuma.io/protocol\" has an invalid value \
                   \"not-yet-supported\". Allowed values: grpc, http, http2, kafka, tcp",
                ],
            ),
            (
                &[("/tags/kuma.io~1service", json!("example.com"))],
                &["tags[\"kuma.io/service\"]: cannot be the same as networking.address"],
            ),
        ],
    );
}

#[test]
fn certificates() {
    const EMPTY: [&str; 3] = [
        "networking.tls.caCert: data source cannot be empty",
        "networking.tls.clientCert: data source cannot be empty",
        "networking.tls.clientKey: data source cannot be empty",
    ];
    check(
        EXTERNAL_SERVICE,
        &valid(),
        &[
            (
                &[("/networking/tls/serverName", json!(""))],
                &["networking.tls.serverName: cannot be empty"],
            ),
            (
                &[
                    ("/networking/tls/caCert", json!({ "inline": "" })),
                    ("/networking/tls/clientCert", json!({ "inlineString": "" })),
                    ("/networking/tls/clientKey", json!({ "secret": "" })),
                ],
                &EMPTY,
            ),
            (
                &[("/networking/tls/caCert", json!({ "file": "/ca.pem" }))],
                &["networking.tls.caCert: files are not read: put the certificate into a Secret"],
            ),
            (
                &[(
                    "/networking/tls/caCert",
                    json!({ "inlineString": "no PEM" }),
                )],
                &[
                    "networking.tls.caCert: has no certificate: add a PEM section CERTIFICATE",
                ],
            ),
            (
                &[("/networking/tls/clientKey", json!({ "inline": "bm8gUEVN" }))],
                &[
                    "networking.tls.clientKey: has no private key: add a PEM section PRIVATE KEY, \
                   RSA PRIVATE KEY or EC PRIVATE KEY",
                ],
            ),
            (
                &[("/networking/tls/clientKey", Value::Null)],
                &["networking.tls.clientKey: is needed beside clientCert"],
            ),
            (
                &[("/networking/tls/clientCert", Value::Null)],
                &["networking.tls.clientCert: is needed beside clientKey"],
            ),
        ],
    );
}

#[test]
fn what_stands_in_it_is_usable() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .pem();
    let inline = |text: &str| json!({ "inlineString": text });
    let spec = with(
        &valid(),
        &[
            ("/networking/tls/caCert", inline(&certificate)),
            ("/networking/tls/clientCert", inline(&certificate)),
            ("/networking/tls/clientKey", inline(&key.serialize_pem())),
        ],
    );
    assert_valid(EXTERNAL_SERVICE, &spec);
}
