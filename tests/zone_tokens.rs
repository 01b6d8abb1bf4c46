//! Zone tokens: nobody is a zone that cannot show it.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey};
use portolan_model::certificate::rsa_public_key_pem;
use portolan_sandbox::{GlobalOptions, Sandbox, ZoneOptions, until};
use serde_json::json;
use support::tokens::{assert_nowhere, forge, revoke, seconds, signature, signing_key, unsigned};
use support::{LIMIT, global, sandbox};

const REVOCATIONS: &str = "/global-secrets/zone-token-revocations";

fn log(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.folder().join(format!("{name}.log"))).unwrap_or_default()
}

/// Waits until the logs of both sides say why the zone is refused.
async fn both_say(sandbox: &Sandbox, zone: &str, reason: &str) {
    until(&format!("{zone} refused: {reason}"), LIMIT, async || {
        ["global", zone]
            .iter()
            .all(|name| log(sandbox, name).contains(reason))
            .then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_needs_a_token_of_its_own() {
    let sandbox = sandbox();
    let trace = GlobalOptions {
        log: "trace".to_owned(),
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&trace).await.unwrap();
    let pem = signing_key(&global.http, "/global-secrets/zone-token-signing-key-1").await;
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let request = json!({ "zone": "z-5", "scope": ["ingress", "egress"], "validFor": "1h" });
    let ingress = global.http.post("/tokens/zone", &request).await.unwrap();
    let for_z = |number: u8, more: serde_json::Value| {
        let mut claims = json!({ "Zone": format!("z-{number}"), "Scope": ["cp"] });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        forge(Algorithm::RS256, "1", &key, &claims)
    };
    let user = json!({ "name": "u", "groups": ["mesh-system:admin"], "validFor": "1h" });
    let user = global.http.post("/tokens/user", &user).await.unwrap();
    let public = rsa_public_key_pem(pem.as_bytes()).unwrap();
    let by_public = EncodingKey::from_secret(public.as_bytes());
    let claims = json!({ "Zone": "z-7", "Scope": ["cp"] });
    let foreign = signing_key(&global.http, "/global-secrets/user-token-signing-key-1").await;
    let by_foreign = EncodingKey::from_rsa_pem(foreign.as_bytes()).unwrap();
    let of_ten = json!({ "Zone": "z-10", "Scope": ["cp"] });
    let cases = [
        (
            "z-10",
            forge(Algorithm::RS256, "1", &by_foreign, &of_ten),
            "signature is wrong",
        ),
        (
            "z-7",
            forge(Algorithm::HS256, "1", &by_public, &claims),
            "another algorithm than RS256",
        ),
        (
            "z-8",
            unsigned(&for_z(8, json!({}))),
            "unknown variant `none`",
        ),
        (
            "z-9",
            for_z(9, json!({ "Scope": [] })),
            "not for control planes",
        ),
        (
            "z-1",
            "hunter2-hunter2-hunter2".to_owned(),
            "this is not a zone token",
        ),
        (
            "z-2",
            global.zone_token("z-1").await.unwrap(),
            "showed a token for zone \"z-1\"",
        ),
        (
            "z-3",
            for_z(3, json!({ "exp": seconds(-1) })),
            "has expired on",
        ),
        (
            "z-4",
            for_z(4, json!({ "nbf": seconds(600) })),
            "valid only from",
        ),
        (
            "z-5",
            ingress.as_str().unwrap().to_owned(),
            "not for control planes",
        ),
        (
            "z-6",
            user.as_str().unwrap().to_owned(),
            "signature is wrong",
        ),
    ];
    let mut running = Vec::new();
    for (name, token, _) in &cases {
        let options = ZoneOptions {
            token: Some(token.clone()),
            ..ZoneOptions::default()
        };
        running.push(sandbox.zone(name, &[&global], &options).await.unwrap());
    }
    for (name, token, reason) in &cases {
        both_say(&sandbox, name, &format!("zone \\\"{name}\\\"")).await;
        let told = log(&sandbox, name);
        let unescaped = told.replace('\\', "");
        assert!(unescaped.contains(reason), "{name}: {told}");
        assert!(
            log(&sandbox, "global").replace('\\', "").contains(reason),
            "{name}"
        );
        let logs = [
            sandbox.folder().join("global.log"),
            sandbox.folder().join(format!("{name}.log")),
        ];
        // One without a signature has none to be found.
        let told: Vec<_> = [signature(token)]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        assert_nowhere(&logs, &told);
    }
    let zones = global.http.get("/zones").await.unwrap();
    assert_eq!(zones["total"], 0, "{zones}");
    for zone in &running {
        assert_eq!(
            zone.http.get("/meshes").await.unwrap()["total"],
            0,
            "{} got resources",
            zone.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_zone_is_refused_when_it_comes_again() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let mut zone = support::zone(&sandbox, "zone-1", &global).await;
    let token = fs::read_to_string(zone.folder().join("global.token")).unwrap();
    revoke(&global.http, REVOCATIONS, &[&token]).await;
    zone.process.stop().await.unwrap();
    zone.start().await.unwrap();
    both_say(&sandbox, "zone-1", "has been revoked").await;
    // A new token in the file is taken up by itself.
    let new = global.zone_token("zone-1").await.unwrap();
    fs::write(zone.folder().join("global.token"), new).unwrap();
    global.zones_online(&["zone-1"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_zones_are_let_in_where_the_global_says_so() {
    let sandbox = sandbox();
    let options = GlobalOptions {
        anonymous_zones: true,
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&options).await.unwrap();
    assert!(log(&sandbox, "global").contains("zones need no token here"));
    let without = ZoneOptions {
        without_global_token: true,
        ..ZoneOptions::default()
    };
    let _zone = sandbox.zone("zone-1", &[&global], &without).await.unwrap();
    global.zones_online(&["zone-1"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_without_a_token_is_told_how_to_get_one() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let without = ZoneOptions {
        without_global_token: true,
        ..ZoneOptions::default()
    };
    let _zone = sandbox.zone("zone-1", &[&global], &without).await.unwrap();
    both_say(&sandbox, "zone-1", "portolan token zone --zone zone-1").await;
    assert_eq!(global.http.get("/zones").await.unwrap()["total"], 0);
}

/// By the public half a zone verifies the tokens of its ingresses; only the private one could issue any.
#[tokio::test(flavor = "multi_thread")]
async fn a_zone_gets_the_public_half_of_the_keys_and_no_more() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let zone = support::zone(&sandbox, "zone-1", &global).await;
    let private = signing_key(&global.http, "/global-secrets/zone-token-signing-key-1").await;
    let path = "/global-secrets/zone-token-signing-public-key-1";
    let public = until("the public key in the zone", LIMIT, async || {
        zone.http.get(path).await.ok()
    });
    let public = public.await.unwrap();
    let content = BASE64_STANDARD
        .decode(public["data"].as_str().unwrap())
        .unwrap();
    let expected = rsa_public_key_pem(private.as_bytes());
    assert_eq!(Some(content), expected.map(String::into_bytes));
    let secrets = zone.http.get("/global-secrets").await.unwrap().to_string();
    assert!(!secrets.contains("zone-token-signing-key"), "{secrets}");
    let refused = zone.http.put(path, &public).await.unwrap_err();
    assert!(refused.to_string().contains("405"), "{refused}");
}
