//! The bootstrap as data planes get it: one golden for each kind of data plane, and the refusals.
//!
//! `UPDATE_GOLDENS=1 cargo test -p portolan-dataplane --test bootstrap` writes the goldens anew.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{env, fs, path::Path, sync::LazyLock, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan_dataplane::bootstrap::{BootstrapError, Request, Settings, render};
use portolan_identity::ca::Authority;
use serde_json::{Value, json};

/// An authority and a certificate of it (PEM).
static CERTIFICATES: LazyLock<[String; 2]> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path()).unwrap();
    let leaf = authority
        .issue("x", &["x".to_owned()], Duration::from_secs(60))
        .unwrap();
    let alone = leaf.cert_pem.strip_suffix(authority.cert_pem()).unwrap();
    [authority.cert_pem().to_owned(), alone.to_owned()]
});

fn settings() -> Settings {
    Settings {
        ca_pem: CERTIFICATES[0].clone(),
        ..Settings::default()
    }
}

fn golden(folder: &str, file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(folder)
        .join(file)
}

fn request(name: &str) -> Request {
    let text = fs::read_to_string(golden("in", &format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn goldens() {
    let without_ca = Settings {
        requires_token: false,
        ..Settings::default()
    };
    let cases = [
        ("gateway", settings(), "127.0.0.1:15678"),
        ("kuma_dp", settings(), "localhost"),
        ("delegated", without_ca.clone(), "[::1]:5678"),
        ("member", without_ca.clone(), "[::1]:5678"),
        ("ingress", without_ca, "[::1]:5678"),
    ];
    for (name, settings, host) in cases {
        let answer = render(&request(name), &settings, host).unwrap();
        let rendered = answer.yaml.replace(
            &BASE64_STANDARD.encode(&CERTIFICATES[0]),
            "(the CA, base64)",
        );
        let path = golden("out", &format!("{name}.yaml"));
        if env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        // As values: whether maps keep their order depends on features that other crates turn on.
        let expected = fs::read_to_string(&path).unwrap();
        let read = |text: &str| serde_norway::from_str::<Value>(text).unwrap();
        assert_eq!(read(&rendered), read(&expected), "{name}");
    }
}

#[test]
fn kuma_dp_gets_json() {
    let answer = render(&request("kuma_dp"), &settings(), "localhost").unwrap();
    let expected = json!({
        "bootstrap": BASE64_STANDARD.encode(&answer.yaml),
        "kumaSidecarConfiguration": {
            "networking": { "corefileTemplate": null, "address": "10.0.0.1" },
            "metrics": { "aggregate": [] },
        },
    });
    assert_eq!(answer.json(), expected);
}

#[test]
fn tokens_are_not_shown() {
    let request = request("gateway");
    let answer = render(&request, &settings(), "localhost").unwrap();
    assert!(answer.yaml.contains("header.claims.signature"));
    let shown = format!("{request:?} {answer:?}");
    assert!(!shown.contains("signature"), "{shown}");
}

#[test]
fn refusals_say_what_to_do() {
    type Change = fn(&mut Request, &mut Settings);
    let cases: [(u16, &str, Change); 13] = [
        (
            422,
            "Dataplane Token is required. Generate token using",
            |request, _| {
                request.dataplane_token = "".into();
            },
        ),
        (422, "type \"egress\" are not served", |request, _| {
            request.proxy_type = "egress".into()
        }),
        (422, "not ZoneIngress", |request, _| {
            request.proxy_type = "ingress".into()
        }),
        (422, "cannot be read", |request, _| {
            request.dataplane_resource = "a: [".into()
        }),
        (422, "its type is \"\"", |request, _| {
            request.dataplane_resource = String::new()
        }),
        (422, "its type is \"Mesh\"", |request, _| {
            request.dataplane_resource = "type: Mesh".into()
        }),
        (422, "no mesh or no name", |request, _| {
            request.dataplane_resource = "type: Dataplane\nmesh: default".into();
        }),
        (422, "cannot be read", |request, _| {
            request.dataplane_resource =
                "{type: Dataplane, mesh: m, name: n, networking: 7}".into();
            (request.mesh, request.name) = (String::new(), String::new());
        }),
        (
            422,
            "request is for default/other, but its Dataplane is default/gw-1",
            |request, _| {
                request.name = "other".into();
            },
        ),
        (400, "is not a certificate authority", |request, _| {
            request.ca_cert = CERTIFICATES[1].clone();
        }),
        (400, "there is no CA", |request, _| {
            request.ca_cert = "nonsense".into()
        }),
        (400, "there is no CA", |request, settings| {
            request.system_ca_path = String::new();
            settings.ca_pem = String::new();
        }),
        (
            400,
            "reaches the control plane as \"localhost\"",
            |_, settings| {
                settings.server_names = vec!["zone.example".into()];
            },
        ),
    ];
    for (status, expected, change) in cases {
        let (mut request, mut settings) = (request("gateway"), settings());
        change(&mut request, &mut settings);
        let error = render(&request, &settings, "localhost:5678").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.status(), status, "{error}");
    }
    let error = render(&request("gateway"), &settings(), "").unwrap_err();
    assert!(error.to_string().contains("https://HOST:PORT"), "{error}");
}

#[test]
fn a_control_plane_with_a_certificate_from_outside_leaves_trust_to_the_machine() {
    let settings = Settings {
        ca_pem: CERTIFICATES[1].clone(),
        ..settings()
    };
    let trusted_ca = |request: &Request| {
        let answer = render(request, &settings, "localhost:5678")?;
        let config: Value = serde_norway::from_str(&answer.yaml).unwrap();
        let secret = &config["staticResources"]["secrets"][0];
        Ok::<_, BootstrapError>(secret["validationContext"]["trustedCa"].clone())
    };
    let mut request = request("gateway");
    let file = json!({ "filename": "/etc/ssl/certs/ca-certificates.crt" });
    assert_eq!(trusted_ca(&request).unwrap(), file);
    request.system_ca_path = String::new();
    assert!(matches!(
        trusted_ca(&request),
        Err(BootstrapError::NotAuthority)
    ));
}

#[test]
fn settings_go_before_the_host_header() {
    let settings = Settings {
        host: Some("zone.example".into()),
        port: 1234,
        ..settings()
    };
    let yaml = render(&request("gateway"), &settings, "localhost:5678")
        .unwrap()
        .yaml;
    let config: Value = serde_norway::from_str(&yaml).unwrap();
    let endpoint = &config["staticResources"]["clusters"][0]["loadAssignment"]["endpoints"][0];
    let address = &endpoint["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"];
    assert_eq!(
        *address,
        json!({ "address": "zone.example", "portValue": 1234 })
    );
}

#[test]
fn a_long_folder_is_cut_where_kuma_cuts_it() {
    let mut request = request("gateway");
    request.workdir = format!("/{}", "ä".repeat(60));
    let yaml = render(&request, &settings(), "localhost").unwrap().yaml;
    let config: Value = serde_norway::from_str(&yaml).unwrap();
    let path = config["admin"]["address"]["pipe"]["path"].as_str().unwrap();
    assert!(path.len() <= 103 && path.ends_with(".sock"), "{path}");
}

#[test]
fn a_request_survives_the_way_to_the_zone() {
    for name in ["gateway", "delegated", "kuma_dp", "member"] {
        let request = request(name);
        let again: Request =
            serde_json::from_value(serde_json::to_value(&request).unwrap()).unwrap();
        assert_eq!(again, request);
    }
}
