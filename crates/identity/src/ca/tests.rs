#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, os::unix::fs::PermissionsExt};

use jiff::ToSpan;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_reloaded_authority_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let created = Authority::load_or_create(dir.path()).unwrap();
    let loaded = Authority::load_or_create(dir.path()).unwrap();
    assert_eq!(created.cert_pem(), loaded.cert_pem());
    for (file, mode) in [("ca.key", 0o600), ("ca.pem", 0o644)] {
        let permissions = fs::metadata(dir.path().join(file)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn processes_that_start_at_once_share_one_authority() {
    let dir = tempfile::tempdir().unwrap();
    let pems: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Authority::load_or_create(dir.path()).unwrap().cert_pem))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(pems.iter().all(|pem| *pem == pems[0]));
}

#[test]
fn a_crash_between_key_and_certificate_is_healed() {
    let dir = tempfile::tempdir().unwrap();
    Authority::load_or_create(dir.path()).unwrap();
    let key = fs::read(dir.path().join("ca.key")).unwrap();
    fs::remove_file(dir.path().join("ca.pem")).unwrap();
    Authority::load_or_create(dir.path()).unwrap();
    assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
}

#[test]
fn files_that_do_not_fit_are_refused_with_the_way_out() {
    let other = tempfile::tempdir().unwrap();
    Authority::load_or_create(other.path()).unwrap();
    let leaf = Authority::load_or_create(other.path())
        .unwrap()
        .issue("x", &names(&["x"]), days(1))
        .unwrap();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("ca.pem", b"nonsense".to_vec(), "holds no certificate"),
        ("ca.key", b"nonsense".to_vec(), "ca.key is not usable"),
        (
            "ca.pem",
            fs::read(other.path().join("ca.pem")).unwrap(),
            "does not belong to the key",
        ),
        (
            "ca.pem",
            leaf.cert_pem.into_bytes(),
            "not a certificate authority",
        ),
    ];
    for (file, content, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        Authority::load_or_create(dir.path()).unwrap();
        fs::write(dir.path().join(file), content).unwrap();
        let error = Authority::load_or_create(dir.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("restore ca.pem and ca.key"), "{error}");
    }
}

#[test]
fn the_server_certificate_is_kept_while_it_fits() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let first = authority
        .server_certificate(&names(&["localhost", "127.0.0.1"]))
        .unwrap();
    let same = authority
        .server_certificate(&names(&["127.0.0.1", "LOCALHOST"]))
        .unwrap();
    assert_eq!(first.cert_pem, same.cert_pem);
    assert_eq!(first.key_pem, same.key_pem);
    let wider = authority
        .server_certificate(&names(&["localhost", "zone.example"]))
        .unwrap();
    assert_ne!(first.cert_pem, wider.cert_pem);

    fs::remove_file(dir.path().join("ca.pem")).unwrap();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    let replaced = Authority::load_or_create(dir.path()).unwrap();
    let reissued = replaced
        .server_certificate(&names(&["localhost", "zone.example"]))
        .unwrap();
    assert!(reissued.cert_pem.ends_with(replaced.cert_pem()));
}

#[test]
fn renewal_is_due_when_a_third_is_left_or_names_change() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let wanted = names(&["localhost", "::1"]);
    let issued = authority.issue("x", &wanted, days(30)).unwrap();
    let cases = [
        (wanted.clone(), 0, false),
        (names(&["0:0:0:0:0:0:0:1", "localhost"]), 0, false),
        (wanted.clone(), 19, false),
        (wanted.clone(), 21, true),
        (wanted.clone(), 31, true),
        (names(&["localhost"]), 0, true),
        (names(&["localhost", "::1", "b"]), 0, true),
    ];
    for (names, days, due) in cases {
        let now = Timestamp::now() + (days * 24).hours();
        assert_eq!(
            issued.needs_renewal(&names, now),
            due,
            "{names:?} after {days} days"
        );
    }
    let broken = IssuedCertificate {
        cert_pem: "x".into(),
        key_pem: "x".into(),
    };
    assert!(broken.needs_renewal(&wanted, Timestamp::now()));
}

#[test]
fn secrets_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let issued = authority.issue("x", &names(&["x"]), days(1)).unwrap();
    let shown = format!("{authority:?} {issued:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn a_name_that_no_certificate_can_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let error = authority
        .issue("x", &names(&["zürich"]), days(1))
        .unwrap_err();
    assert!(
        error.to_string().contains("DNS names or IP addresses"),
        "{error}"
    );
}

#[test]
fn a_certificate_covers_its_names() {
    let cases = [
        (&["localhost"][..], "localhost", true),
        (&["localhost"], "LocalHost", true),
        (&["::1"], "0:0:0:0:0:0:0:1", true),
        (&["*.example.com"], "zone.example.com", true),
        (&["*.example.com"], "a.zone.example.com", false),
        (&["*.example.com"], "example.com", false),
        (&["a", "b"], "c", false),
    ];
    for (list, host, expected) in cases {
        assert_eq!(covers(&names(list), host), expected, "{list:?} {host}");
    }
}

#[test]
fn an_authority_is_told_from_a_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let leaf = authority.issue("x", &names(&["x"]), days(1)).unwrap();
    assert_eq!(is_authority(authority.cert_pem()), Some(true));
    assert_eq!(
        is_authority(&leaf.cert_pem),
        Some(true),
        "the authority follows the leaf"
    );
    let alone = leaf.cert_pem.strip_suffix(authority.cert_pem()).unwrap();
    assert_eq!(is_authority(alone), Some(false));
    assert_eq!(is_authority("nonsense"), None);
}
