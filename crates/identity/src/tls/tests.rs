#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use rustls::{ClientConnection, ServerConnection};

use super::*;
use crate::ca::{Authority, IssuedCertificate};

const DAY: Duration = Duration::from_secs(86_400);

fn authority() -> Authority {
    Authority::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
}

fn localhost(authority: &Authority) -> IssuedCertificate {
    authority
        .issue("x", &["localhost".into(), "127.0.0.1".into()], DAY)
        .unwrap()
}

/// Shakes hands in memory; returns the protocol that both chose, or why the client gave up.
fn handshake(
    shown: &IssuedCertificate,
    trust: &Trust,
    name: &'static str,
) -> Result<Option<Vec<u8>>, rustls::Error> {
    let server = server_config(&shown.cert_pem, &shown.key_pem, &["h2", "http/1.1"]).unwrap();
    let client = client_config(trust, &["h2"]).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name.try_into().unwrap()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client.alpn_protocol().map(<[u8]>::to_vec))
}

#[test]
fn clients_believe_whom_they_are_told_to() {
    let (ours, other) = (authority(), authority());
    let shown = localhost(&ours);
    let trust_ours = Trust::Authority(ours.cert_pem().to_owned());
    let trust_other = Trust::Authority(other.cert_pem().to_owned());
    let cases = [
        (&trust_ours, "localhost", true),
        (&trust_ours, "127.0.0.1", true),
        (&trust_ours, "elsewhere", false),
        (&trust_other, "localhost", false),
        (&Trust::Insecure, "elsewhere", true),
    ];
    for (trust, name, believed) in cases {
        let outcome = handshake(&shown, trust, name);
        assert_eq!(outcome.is_ok(), believed, "{trust:?} {name}: {outcome:?}");
        if let Ok(protocol) = outcome {
            assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
        }
    }
}

/// A certificate that signs itself, as authority and server in one.
fn of_itself(name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) -> IssuedCertificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    IssuedCertificate {
        cert_pem: params.self_signed(&key).unwrap().pem(),
        key_pem: key.serialize_pem().into(),
    }
}

#[test]
fn a_server_that_shows_a_given_certificate_itself_is_believed() {
    let (past, future) = ((2020, 1, 1), (2120, 1, 1));
    let [good, same_name] = [(); 2].map(|()| of_itself("localhost", past, future));
    let expired = of_itself("localhost", past, (2021, 1, 1));
    let early = of_itself("localhost", (2119, 1, 1), future);
    let cases = [
        (&good, &good, "localhost", true),
        (&good, &good, "elsewhere", false),
        (&good, &same_name, "localhost", false),
        (&expired, &expired, "localhost", false),
        (&early, &early, "localhost", false),
    ];
    for (shown, given, name, believed) in cases {
        let outcome = handshake(shown, &Trust::Authority(given.cert_pem.clone()), name);
        assert_eq!(outcome.is_ok(), believed, "{name}: {outcome:?}");
    }
}

#[test]
fn unusable_texts_are_named() {
    let authority = authority();
    let shown = localhost(&authority);
    let another = localhost(&authority);
    let cases = [
        ("", &shown.key_pem, "no usable certificate"),
        (&shown.cert_pem, &Secret::default(), "no usable private key"),
        (&shown.cert_pem, &another.key_pem, "not usable together"),
    ];
    for (certificate, key, expected) in cases {
        let error = server_config(certificate, key, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = client_config(&Trust::Authority("x".into()), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("the CA's certificate"), "{error}");
}
