#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, sync::LazyLock, time::Duration};

use jiff::{Timestamp, ToSpan};
use portolan_model::proto::mesh::Dataplane;
use serde_json::json;

use super::*;
use crate::Secret;

const HOUR: Duration = Duration::from_secs(3600);

/// RSA keys are slow to make, so the tests share two.
static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| SigningKey::from_pem("1", &SigningKey::generate().unwrap()).unwrap())
});

fn claims() -> DataplaneClaims {
    serde_json::from_value(json!({
        "Name": "gw", "Mesh": "default", "Type": "dataplane",
        "Tags": {"kuma.io/service": ["edge", "edge-2"]},
    }))
    .unwrap()
}

fn dataplane_at(token: &str, now: Timestamp) -> Result<DataplaneClaims, TokenError> {
    KEYS[0].verifier().verify(token, "data plane", now)
}

#[test]
fn a_token_gives_its_claims_back() {
    let token = KEYS[0].issue_dataplane(&claims(), HOUR).unwrap();
    assert_eq!(
        KEYS[0].verifier().verify_dataplane(token.expose()).unwrap(),
        claims()
    );
    let header = jsonwebtoken::decode_header(token.expose()).unwrap();
    assert_eq!(header.kid.as_deref(), Some("1"));

    let zone = ZoneClaims {
        zone: "z".into(),
        scope: vec!["egress".into()],
    };
    let token = KEYS[0].issue_zone(&zone, HOUR).unwrap();
    assert_eq!(
        KEYS[0].verifier().verify_zone(token.expose()).unwrap(),
        zone
    );

    let user = UserClaims {
        name: "ada".into(),
        groups: vec!["admin".into()],
    };
    let token = KEYS[0].issue_user(&user, HOUR).unwrap();
    assert_eq!(
        KEYS[0].verifier().verify_user(token.expose()).unwrap(),
        user
    );
}

#[test]
fn a_token_is_valid_in_its_time_alone() {
    let now = Timestamp::now();
    let token = KEYS[0].issue(&claims(), HOUR, now).unwrap();
    for (minutes, expected) in [(-1, "valid only from"), (61, "has expired on")] {
        let error = dataplane_at(token.expose(), now + minutes.minutes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    for seconds in [-4, 0, 3599] {
        dataplane_at(token.expose(), now + seconds.seconds()).unwrap();
    }
    assert!(
        dataplane_at(token.expose(), now + 3600.seconds()).is_err(),
        "exp itself is too late"
    );
}

#[test]
fn changed_and_foreign_tokens_are_refused() {
    let good = KEYS[0].issue_dataplane(&claims(), HOUR).unwrap();
    let parts: Vec<&str> = good.expose().split('.').collect();
    let foreign = KEYS[1].issue_dataplane(&claims(), HOUR).unwrap();
    let other = KEYS[0]
        .issue_dataplane(&DataplaneClaims::default(), HOUR)
        .unwrap();
    let body_of_other = other.expose().split('.').nth(1).unwrap();
    let zone = KEYS[0].issue_zone(&ZoneClaims::default(), HOUR).unwrap();
    let user = KEYS[0].issue_user(&UserClaims::default(), HOUR).unwrap();
    let unsigned = "eyJhbGciOiJub25lIn0"; // {"alg":"none"}
    let symmetric = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ"; // {"alg":"HS256","kid":"1"}
    let rotated = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjIifQ"; // {"alg":"RS256","kid":"2"}
    let nameless = "eyJhbGciOiJSUzI1NiJ9"; // {"alg":"RS256"}
    let (body, signature) = (parts[1], parts[2]);
    let cases = [
        (String::new(), "not a data plane token"),
        ("a.b".into(), "not a data plane token"),
        (
            format!("{}.{body_of_other}.{signature}", parts[0]),
            "signature is wrong",
        ),
        (format!("{}.{body}.", parts[0]), "signature is wrong"),
        (foreign.expose().into(), "signature is wrong"),
        (format!("{unsigned}.{body}."), "RS256"),
        (format!("{symmetric}.{body}.{signature}"), "RS256"),
        (
            format!("{rotated}.{body}.{signature}"),
            "no signing key with id \"2\"",
        ),
        (format!("{nameless}.{body}.{signature}"), "has no kid"),
        (zone.expose().into(), "not a data plane token"),
        (user.expose().into(), "not a data plane token"),
    ];
    for (token, expected) in cases {
        let error = KEYS[0]
            .verifier()
            .verify_dataplane(&token)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{token}: {error}");
    }
}

#[test]
fn revoked_tokens_are_refused() {
    let content = json!({
        "Name": "", "Mesh": "", "Tags": null, "Type": "", "exp": i64::from(i32::MAX), "jti": "two",
    });
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = Some("1".into());
    let pem = SigningKey::generate().unwrap();
    let key = SigningKey::from_pem("1", &pem).unwrap();
    let private = jsonwebtoken::EncodingKey::from_rsa_pem(pem.expose().as_bytes()).unwrap();
    let token = jsonwebtoken::encode(&header, &content, &private).unwrap();

    let mut verifier = key.verifier();
    assert_eq!(
        verifier.verify_dataplane(&token).unwrap(),
        DataplaneClaims::default()
    );
    verifier.revoke("one, two\n");
    let refused = verifier.verify_dataplane(&token).unwrap_err();
    assert_eq!(refused, TokenError::Revoked { id: "two".into() });
}

#[test]
fn a_key_file_is_used_if_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    assert!(SigningKey::load(&path).unwrap().is_none());
    let pem = SigningKey::generate().unwrap();
    fs::write(&path, pem.expose()).unwrap();
    let loaded = SigningKey::load(&path).unwrap().unwrap();
    let token = loaded.issue_dataplane(&claims(), HOUR).unwrap();
    let same = SigningKey::from_pem("1", &pem).unwrap();
    same.verifier().verify_dataplane(token.expose()).unwrap();

    fs::write(&path, "nonsense").unwrap();
    let error = SigningKey::load(&path).unwrap_err().to_string();
    assert!(error.contains("holds no RSA private key"), "{error}");
}

#[test]
fn a_key_in_a_secret_is_read_in_every_form() {
    let pem = SigningKey::generate().unwrap();
    assert!(
        pem.expose()
            .starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
    );
    let key = SigningKey::from_pem("1", &pem).unwrap();
    let der = pem::parse(pem.expose()).unwrap().into_contents();
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .unwrap()
        .serialize_pem();
    let pkcs8 = SigningKey::from_pem("1", &Secret::from(&*pair)).unwrap();
    for (content, key) in [
        (pem.expose().as_bytes(), &key),
        (&der, &key),
        (pair.as_bytes(), &pkcs8),
    ] {
        let read = SigningKey::from_secret("1", content).unwrap();
        let token = read.issue_dataplane(&claims(), HOUR).unwrap();
        key.verifier().verify_dataplane(token.expose()).unwrap();
    }
    for wrong in [&b""[..], b"hunter2", b"\xff\x00", &der[..100]] {
        let error = SigningKey::from_secret("1", wrong).unwrap_err().to_string();
        assert!(error.contains("not an RSA private key"), "{error}");
    }
}

#[test]
fn keys_that_are_not_rsa_are_refused() {
    let pair = rcgen::KeyPair::generate().unwrap();
    assert!(SigningKey::from_pem("1", &Secret::from(pair.serialize_pem())).is_err());
    assert!(PublicKey::from_pem(&pair.public_key_pem()).is_err());
    assert!(PublicKey::from_pem(&pair.serialize_pem()).is_err());
}

#[test]
fn a_public_key_from_outside_verifies() {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .unwrap();
    let key = SigningKey::from_pem("offline", &Secret::from(pair.serialize_pem())).unwrap();
    let token = key.issue_dataplane(&claims(), HOUR).unwrap();
    let mut verifier = Verifier::default();
    verifier.trust(
        "offline",
        PublicKey::from_pem(&pair.public_key_pem()).unwrap(),
    );
    verifier.verify_dataplane(token.expose()).unwrap();
}

#[test]
fn claims_restrict_what_they_name() {
    let spec: Dataplane = serde_json::from_value(json!({"networking": {
        "gateway": {"type": "BUILTIN", "tags": {"kuma.io/service": "edge", "region": "eu"}},
        "inbound": [{"port": 1, "tags": {"kuma.io/service": "edge-2"}}],
    }}))
    .unwrap();
    let proxy = Proxy::of_dataplane("default", "gw", &spec);
    let cases = [
        (json!({}), ""),
        (
            json!({"Name": "gw", "Mesh": "default", "Type": "dataplane"}),
            "",
        ),
        (
            json!({"Tags": {"kuma.io/service": ["edge", "edge-2", "edge-3"], "region": ["eu"]}}),
            "",
        ),
        (json!({"Name": "gw-2"}), "proxy's name is \"gw\""),
        (json!({"Mesh": "other"}), "proxy's mesh is \"default\""),
        (json!({"Type": "ingress"}), "proxy's type is \"dataplane\""),
        (json!({"Workload": "web"}), "proxy's workload is \"\""),
        (
            json!({"Tags": {"kuma.io/service": ["edge"]}}),
            "has the value \"edge-2\"",
        ),
        (json!({"Tags": {"team": ["a"]}}), "no tag \"team\""),
        (json!({"Tags": {"region": []}}), "has the value \"eu\""),
    ];
    for (mut claims, expected) in cases {
        let object = claims.as_object_mut().unwrap();
        for required in ["Mesh", "Type"] {
            object.entry(required).or_insert_with(|| "".into());
        }
        let claims: DataplaneClaims = serde_json::from_value(claims).unwrap();
        match claims.check(&proxy) {
            Ok(()) => assert_eq!(expected, "", "{claims:?}"),
            Err(error) => {
                assert!(!expected.is_empty(), "{error}");
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let token = KEYS[0].issue_dataplane(&claims(), HOUR).unwrap();
    assert_eq!(format!("{token:?}"), "(hidden)");
    assert_eq!(format!("{:?}", KEYS[0]), "SigningKey { id: \"1\", .. }");
}
