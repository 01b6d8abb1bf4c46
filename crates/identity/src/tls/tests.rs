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
