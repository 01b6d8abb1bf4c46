//! Data plane tokens: no proxy gets a bootstrap or a stream without one that is good, and its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use jsonwebtoken::{Algorithm, EncodingKey};
use portolan_model::certificate::rsa_public_key_pem;
use portolan_sandbox::{GlobalOptions, Http, Zone, ZoneOptions, until};
use serde_json::{Value, json};
use support::tokens::{assert_nowhere, forge, revoke, seconds, signature, signing_key, unsigned};
use support::{LIMIT, proxy::Proxy, sandbox};

const MESH_KEY: &str = "/meshes/default/secrets/dataplane-token-signing-key-default-1";
const REVOCATIONS: &str = "/meshes/default/secrets/dataplane-token-revocations-default";

/// The Dataplane that every proxy here says it is.
const DATAPLANE: &str = r#"
type: Dataplane
mesh: default
name: gw
networking:
  address: 127.0.0.1
  gateway:
    type: BUILTIN
    tags:
      kuma.io/service: edge
"#;

async fn issue(http: &Http, request: Value) -> String {
    let token = http.post("/tokens/dataplane", &request).await.unwrap();
    token.as_str().unwrap().to_owned()
}

async fn dataplane_of(zone: &Zone) -> Option<Value> {
    zone.http.get("/meshes/default/dataplanes/gw").await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_needs_a_token_of_its_own() {
    let sandbox = sandbox();
    let log = || "trace".to_owned();
    let options = GlobalOptions {
        log: log(),
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&options).await.unwrap();
    let options = ZoneOptions {
        log: log(),
        ..ZoneOptions::default()
    };
    let zone = sandbox.zone("zone-1", &[&global], &options).await.unwrap();
    let shop = json!({ "type": "Mesh", "name": "shop" });
    global.http.put("/meshes/shop", &shop).await.unwrap();
    let proxy = Proxy::of(&zone, DATAPLANE);

    let good = issue(&global.http, json!({ "mesh": "default", "name": "gw" })).await;
    // The zone is told of the key, and until then says that it cannot tell.
    until("the zone having the key", LIMIT, async || {
        (proxy.bootstrap(&good).await.0 == 200).then_some(())
    })
    .await
    .unwrap();
    zone.token("shop", "").await.unwrap();

    let pem = signing_key(&global.http, MESH_KEY).await;
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let public = rsa_public_key_pem(pem.as_bytes()).unwrap();
    let foreign = signing_key(&global.http, "/global-secrets/zone-token-signing-key-1").await;
    let foreign = EncodingKey::from_rsa_pem(foreign.as_bytes()).unwrap();
    let claims = json!({ "Name": "gw", "Mesh": "default", "Tags": {}, "Type": "dataplane" });
    let with = |more: Value| {
        let mut claims = claims.clone();
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        forge(Algorithm::RS256, "1", &key, &claims)
    };
    let rs256 = Algorithm::RS256;
    let for_others = |request: Value| issue(&global.http, request);
    let service = |name: &str| json!({ "kuma.io/service": [name] });
    let refused = [
        ("no token", String::new(), "not a data plane token"),
        (
            "no token at all",
            "hunter2".to_owned(),
            "not a data plane token",
        ),
        (
            "another name",
            for_others(json!({ "mesh": "default", "name": "gw-2" })).await,
            "its token is for \"gw-2\"",
        ),
        (
            "another mesh",
            for_others(json!({ "mesh": "shop", "name": "gw" })).await,
            "signature is wrong",
        ),
        (
            "another mesh, this key",
            with(json!({ "Mesh": "shop" })),
            "its token is for \"shop\"",
        ),
        (
            "another service",
            for_others(json!({ "mesh": "default", "tags": service("db") })).await,
            "has the value \"edge\"",
        ),
        (
            "a tag more",
            for_others(json!({ "mesh": "default", "tags": { "team": ["a"] } })).await,
            "no tag \"team\"",
        ),
        (
            "another type",
            for_others(json!({ "mesh": "default", "type": "ingress" })).await,
            "its token is for \"ingress\"",
        ),
        (
            "another workload",
            for_others(json!({ "mesh": "default", "workload": "w" })).await,
            "its token is for \"w\"",
        ),
        (
            "expired",
            with(json!({ "exp": seconds(-1) })),
            "has expired on",
        ),
        (
            "not yet valid",
            with(json!({ "nbf": seconds(600) })),
            "valid only from",
        ),
        (
            "another key",
            forge(rs256, "1", &foreign, &claims),
            "signature is wrong",
        ),
        (
            "a key that is not there",
            forge(rs256, "2", &key, &claims),
            "no signing key with id \"2\"",
        ),
        (
            "the secret of another mesh as key",
            forge(rs256, "default-1", &key, &claims),
            "no signing key with id \"default-1\"",
        ),
        (
            "HS256 with the public text as key",
            forge(
                Algorithm::HS256,
                "1",
                &EncodingKey::from_secret(b"1"),
                &claims,
            ),
            "another algorithm than RS256",
        ),
        (
            "HS256 with the public key as key",
            forge(
                Algorithm::HS256,
                "1",
                &EncodingKey::from_secret(public.as_bytes()),
                &claims,
            ),
            "another algorithm than RS256",
        ),
        (
            "RS512",
            forge(Algorithm::RS512, "1", &key, &claims),
            "another algorithm than RS256",
        ),
        ("alg none", unsigned(&good), "unknown variant `none`"),
        (
            "a zone's token",
            global.zone_token("zone-1").await.unwrap(),
            "signature is wrong",
        ),
    ];
    for (what, token, expected) in &refused {
        proxy.assert_refused(what, token, expected).await;
        assert!(
            dataplane_of(&zone).await.is_none(),
            "{what} registered a Dataplane"
        );
    }

    proxy.assert_let_in("its name", &good).await;
    assert!(dataplane_of(&zone).await.is_some());
    let by_service = json!({ "mesh": "default", "tags": service("edge") });
    for http in [&global.http, &zone.http] {
        let token = issue(http, by_service.clone()).await;
        proxy.assert_let_in("its service", &token).await;
    }

    revoke(&global.http, REVOCATIONS, &[&good]).await;
    until("the revoked token being refused", LIMIT, async || {
        (proxy.bootstrap(&good).await.0 == 401).then_some(())
    })
    .await
    .unwrap();
    proxy
        .assert_refused("revoked", &good, "has been revoked")
        .await;

    let logs = ["global.log", "zone-1.log"].map(|name| sandbox.folder().join(name));
    let mut texts: Vec<_> = refused
        .iter()
        .map(|(_, token, _)| signature(token))
        .collect();
    texts.retain(|text| text.len() > 20);
    texts.push(signature(&good));
    texts.extend(pem.lines().skip(1).take(2));
    assert_nowhere(&logs, &texts);
    for path in [
        "/meshes/default/dataplanes+insights",
        "/meshes/default/dataplane-insights",
    ] {
        for http in [&zone.http, &global.http] {
            let told = http.get(path).await.unwrap().to_string();
            assert!(!told.contains(signature(&good)), "{path} tells tokens");
        }
    }
}
