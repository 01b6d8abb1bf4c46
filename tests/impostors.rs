//! Proxies that say they are somebody else: they get neither a certificate nor a name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use portolan_sandbox::{Http, until};
use serde_json::{Value, json};
use support::{
    LIMIT, global,
    proxy::{Proxy, SECRET},
    sandbox, zone,
};

const IDENTITY: &str = "identity_cert:secret:default";

fn mesh(name: &str) -> Value {
    json!({
        "type": "Mesh", "name": name,
        "mtls": { "enabledBackend": "ca-1", "backends": [{ "name": "ca-1", "type": "builtin" }] },
    })
}

/// A member of the mesh `default`.
fn member(name: &str, service: &str) -> String {
    format!(
        "type: Dataplane
mesh: default
name: {name}
networking:
  address: 127.0.0.1
  inbound: [{{port: 9999, tags: {{kuma.io/service: {service}, team: a}}}}]
"
    )
}

async fn issue(http: &Http, request: Value) -> String {
    let token = http.post("/tokens/dataplane", &request).await.unwrap();
    token.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_certificate_or_a_name_of_somebody_else() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    for name in ["default", "shop"] {
        let path = format!("/meshes/{name}");
        global.http.put(&path, &mesh(name)).await.unwrap();
    }
    let zone = zone(&sandbox, "zone-1", &global).await;
    zone.token("shop", "").await.unwrap();
    let service = |name: &str| json!({ "kuma.io/service": [name] });
    let request = json!({ "mesh": "default", "tags": service("bank") });
    let good = issue(&global.http, request).await;
    let bank = Proxy::of(&zone, &member("bank-1", "bank"));

    // Before anybody is there: a token has to be for this name, mesh and all tags.
    until("the zone having the key", LIMIT, async || {
        (bank.bootstrap(&good).await.0 == 200).then_some(())
    })
    .await
    .unwrap();
    let dataplane = "/meshes/default/dataplanes/bank-1";
    for (what, request) in [
        (
            "another name",
            json!({ "mesh": "default", "name": "bank-2" }),
        ),
        ("another mesh", json!({ "mesh": "shop", "name": "bank-1" })),
        (
            "another service",
            json!({ "mesh": "default", "tags": service("db") }),
        ),
        (
            "another tag",
            json!({ "mesh": "default", "tags": { "kuma.io/service": ["bank"], "team": ["b"] } }),
        ),
        (
            "an ingress",
            json!({ "mesh": "default", "type": "ingress" }),
        ),
    ] {
        let token = issue(&global.http, request).await;
        bank.stream(&token, SECRET).await.expect_err(what);
        assert!(
            zone.http.get(dataplane).await.is_err(),
            "{what}: registered"
        );
    }
    bank.stream("", SECRET).await.expect_err("no token");

    // With a good one there is a certificate: that is what the others did not get.
    until("a certificate", LIMIT, async || {
        let answer = bank.stream(&good, SECRET).await.unwrap();
        let mut names = answer.resources.iter().map(|one| one.name.as_str());
        names.any(|name| name == IDENTITY).then_some(())
    })
    .await
    .unwrap();

    // A token for a service is not one for the name that a proxy of another service has.
    let for_db = json!({ "mesh": "default", "tags": service("db") });
    let for_db = issue(&global.http, for_db).await;
    let impostor = Proxy::of(&zone, &member("bank-1", "db"));
    let taken = "a Dataplane of this name already";
    impostor
        .assert_refused("a name that is taken", &for_db, taken)
        .await;
    let still = zone.http.get(dataplane).await.unwrap();
    let tags = &still["networking"]["inbound"][0]["tags"];
    assert_eq!(tags["kuma.io/service"], "bank", "{still}");
    let db = Proxy::of(&zone, &member("db-1", "db"));
    db.assert_let_in("a name of its own", &for_db).await;
    // Who may have the name may say what stands behind it.
    let by_name = json!({ "mesh": "default", "name": "bank-1" });
    let by_name = issue(&global.http, by_name).await;
    impostor.assert_let_in("its own name", &by_name).await;
}
