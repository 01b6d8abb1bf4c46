#![allow(clippy::unwrap_used)]

use std::{process::Command, sync::LazyLock, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::*;
use crate::Secret;

const DAY: Duration = Duration::from_secs(86_400);

/// Keys of authorities take long to find.
static AUTHORITY: LazyLock<(String, Secret)> =
    LazyLock::new(|| create("default", "ca-1", 2048, DAY * 10, Timestamp::now()).unwrap());

fn authority() -> MeshAuthority {
    MeshAuthority::from_pem(&AUTHORITY.0, AUTHORITY.1.expose(), Timestamp::now()).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> WorkloadTags {
    let mut tags = WorkloadTags::new();
    for (tag, value) in pairs {
        let values = tags.entry((*tag).to_owned()).or_default();
        values.insert((*value).to_owned());
    }
    tags
}

fn uris(pem: &str) -> Vec<String> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => (*uri).to_owned(),
        other => panic!("{other} is no URI"),
    };
    names.value.general_names.iter().map(uri).collect()
}

#[test]
fn a_certificate_says_all_services_then_all_tags() {
    let tags = tags(&[
        ("kuma.io/service", "web-api"),
        ("kuma.io/service", "web"),
        ("version", "v1"),
    ]);
    let issued = authority()
        .issue("default", &tags, DAY, Timestamp::now())
        .unwrap();
    let expected = [
        "spiffe://default/web",
        "spiffe://default/web-api",
        "kuma://kuma.io/service/web",
        "kuma://kuma.io/service/web-api",
        "kuma://version/v1",
    ];
    assert_eq!(uris(&issued.cert_pem), expected);
    assert_eq!(uris(&AUTHORITY.0), ["spiffe://default"]);
}

#[test]
fn the_next_is_due_at_four_fifths_and_no_certificate_outlives_its_authority() {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let tags = tags(&[("kuma.io/service", "web")]);
    let authority = authority();
    let issued = authority
        .issue("default", &tags, Duration::from_secs(100), now)
        .unwrap();
    assert_eq!(issued.expires, now + SignedDuration::from_secs(100));
    assert_eq!(issued.renew_at(), now + SignedDuration::from_secs(80));

    let issued = authority.issue("default", &tags, DAY * 1000, now).unwrap();
    assert_eq!(issued.expires, authority.not_after());
    let late = authority.not_after() + SignedDuration::from_secs(1);
    let refused = authority.issue("default", &tags, DAY, late);
    assert_eq!(
        refused.unwrap_err(),
        MeshAuthorityError::Expired(authority.not_after())
    );
}

/// As an independent reader of certificates sees them.
#[test]
fn openssl_trusts_what_the_authority_signs_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let tags = tags(&[("kuma.io/service", "web")]);
    let now = Timestamp::now();
    let leaf = authority().issue("default", &tags, DAY, now).unwrap();
    let leaf = write("leaf.pem", &leaf.cert_pem);
    // A second authority of the same mesh, as when one replaces the other.
    let (other, _) = create("default", "ca-2", 2048, DAY, now).unwrap();
    let verified = |ca: &str| {
        let trusted = write("ca.pem", ca);
        let status = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile"])
            .args([&trusted, &leaf])
            .output()
            .unwrap();
        status.status.success()
    };
    assert!(verified(&AUTHORITY.0));
    assert!(verified(&format!("{other}{}", AUTHORITY.0)));
    assert!(!verified(&other));
}

#[test]
fn what_cannot_sign_is_refused() {
    let now = Timestamp::now();
    let (cert, key) = (&*AUTHORITY.0, AUTHORITY.1.expose());
    let read = |cert: &str, key: &str, now| MeshAuthority::from_pem(cert, key, now).unwrap_err();
    assert_eq!(read("", key, now), MeshAuthorityError::Certificate);
    assert_eq!(read(cert, "", now), MeshAuthorityError::Key);
    assert_eq!(read(cert, cert, now), MeshAuthorityError::Key);
    let other = KeyPair::generate().unwrap();
    assert_eq!(
        read(cert, &other.serialize_pem(), now),
        MeshAuthorityError::Mismatch
    );
    let late = now + SignedDuration::from_hours(24 * 11);
    assert!(matches!(
        read(cert, key, late),
        MeshAuthorityError::Expired(_)
    ));

    let mut params = CertificateParams::default();
    let leaf = params.clone().self_signed(&other).unwrap().pem();
    let other_pem = other.serialize_pem();
    assert_eq!(
        read(&leaf, &other_pem, now),
        MeshAuthorityError::NotAuthority
    );
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let no_signer = params.self_signed(&other).unwrap().pem();
    assert_eq!(
        read(&no_signer, &other_pem, now),
        MeshAuthorityError::NotSigner
    );
}

#[test]
fn keys_of_other_control_planes_are_read() {
    // As Kuma writes it: PKCS#1, "RSA PRIVATE KEY".
    let openssl = Command::new("openssl")
        .args(["rsa", "-traditional"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut openssl = openssl.unwrap();
    let mut input = openssl.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, AUTHORITY.1.expose().as_bytes()).unwrap();
    drop(input);
    let output = openssl.wait_with_output().unwrap();
    let key = String::from_utf8(output.stdout).unwrap();
    assert!(
        key.contains("RSA PRIVATE KEY"),
        "{}",
        key.lines().next().unwrap_or_default()
    );
    assert!(MeshAuthority::from_pem(&AUTHORITY.0, &key, Timestamp::now()).is_ok());
}

#[test]
fn keys_are_not_shown() {
    let tags = tags(&[("kuma.io/service", "web")]);
    let issued = authority()
        .issue("default", &tags, DAY, Timestamp::now())
        .unwrap();
    let shown = format!("{issued:?} {:?} {:?}", authority(), *AUTHORITY);
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    assert!(shown.contains("hidden"));
}
