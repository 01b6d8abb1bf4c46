//! The authorities of a Mesh: made with it, once, and refused where they could not work.

use std::sync::LazyLock;

use jiff::Timestamp;
use portolan_api::Role;
use portolan_identity::mesh;
use serde_json::{Value, json};

use crate::support::{Served, serve};

const MESH: &str = "/meshes/m";
const CERT: &str = "/meshes/m/secrets/m.ca-builtin-cert-ca-1";
const KEY: &str = "/meshes/m/secrets/m.ca-builtin-key-ca-1";

/// Certificate and key of a company's own authority.
static OWN: LazyLock<(String, String)> = LazyLock::new(|| {
    let lifetime = std::time::Duration::from_secs(3600);
    let (cert, key) = mesh::create("m", "own", 2048, lifetime, Timestamp::now()).unwrap();
    (cert, key.expose().to_owned())
});

fn with(enabled: &str, backends: &Value) -> Value {
    json!({ "type": "Mesh", "name": "m", "mtls": { "enabledBackend": enabled, "backends": backends } })
}

fn builtin(name: &str) -> Value {
    json!({ "name": name, "type": "builtin" })
}

fn secret(name: &str, text: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    json!({ "type": "Secret", "mesh": "m", "name": name, "data": STANDARD.encode(text) })
}

async fn apply(served: &Served, resources: &Value) -> crate::support::Answer {
    served
        .send("POST", "/_apply", &[], resources.to_string())
        .await
}

async fn pair(served: &Served) -> (Value, Value) {
    let data = |answer: crate::support::Answer| answer.json()["data"].clone();
    (data(served.get(CERT).await), data(served.get(KEY).await))
}

#[tokio::test]
async fn a_builtin_authority_comes_with_its_mesh_and_stays() {
    let served = serve(Role::Global).await;
    let mesh = with("ca-1", &json!([builtin("ca-1")]));
    let dry = served
        .send("POST", "/_apply?dryRun=true", &[], mesh.to_string())
        .await;
    assert_eq!(dry.status, 200, "{}", dry.text());
    assert_eq!(served.get(CERT).await.status, 404);

    let made = served.put(MESH, &mesh).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let first = pair(&served).await;
    assert!(first.0.is_string() && first.1.is_string(), "{first:?}");
    // Written again, and with another: the first one stays.
    let both = json!([builtin("ca-1"), builtin("ca-2")]);
    assert_eq!(served.put(MESH, &mesh).await.status, 200);
    assert_eq!(apply(&served, &with("ca-1", &both)).await.status, 200);
    assert_eq!(pair(&served).await, first);
    assert_eq!(
        served
            .get("/meshes/m/secrets/m.ca-builtin-key-ca-2")
            .await
            .status,
        200
    );
    // They go with the mesh.
    assert_eq!(served.delete(MESH).await.status, 200);
    served
        .put(MESH, &json!({ "type": "Mesh", "name": "m" }))
        .await;
    assert_eq!(served.get(CERT).await.status, 404);
}

#[tokio::test]
async fn of_many_writers_at_once_one_makes_the_authority() {
    let served = serve(Role::Global).await;
    let mesh = with("ca-1", &json!([builtin("ca-1")]));
    let writes = (0..4).map(|_| served.put(MESH, &mesh));
    for answer in futures::future::join_all(writes).await {
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    }
    let data = pair(&served).await;
    let text = |value: &Value| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
    };
    let read = mesh::MeshAuthority::from_pem(&text(&data.0), &text(&data.1), Timestamp::now());
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn a_restored_pair_is_taken_instead_of_a_new_one() {
    let served = serve(Role::Global).await;
    let resources = json!([
        with("ca-1", &json!([builtin("ca-1")])),
        secret("m.ca-builtin-cert-ca-1", &OWN.0),
        secret("m.ca-builtin-key-ca-1", &OWN.1),
    ]);
    let applied = apply(&served, &resources).await;
    assert_eq!(applied.status, 200, "{}", applied.text());
    assert_eq!(applied.json()["results"].as_array().unwrap().len(), 3);
    assert_eq!(pair(&served).await.0, secret("", &OWN.0)["data"]);
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_its_field() {
    let served = serve(Role::Global).await;
    served
        .put(MESH, &json!({ "type": "Mesh", "name": "m" }))
        .await;
    let provided = |cert: Value, key: Value| {
        with(
            "own",
            &json!([{ "name": "own", "type": "provided", "conf": { "cert": cert, "key": key } }]),
        )
    };
    let inline = |text: &str| json!({ "inlineString": text });
    let (cert, key) = &*OWN;
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let cases = [
        (
            with("ca-1", &json!([builtin("Upper")])),
            "mtls.enabledBackend",
        ),
        (
            with("Upper", &json!([builtin("Upper")])),
            "mtls.backends[0].name",
        ),
        (
            with("a", &json!([{ "name": "a", "type": "vault" }])),
            "mtls.backends[0].type",
        ),
        (
            provided(json!({ "secret": "no" }), inline(key)),
            "mtls.backends[0].conf.cert",
        ),
        (
            provided(inline(cert), json!({ "secret": "no" })),
            "mtls.backends[0].conf.key",
        ),
        (
            provided(inline(cert), inline(&other)),
            "mtls.backends[0].conf.cert",
        ),
    ];
    for (mesh, field) in cases {
        for answer in [served.put(MESH, &mesh).await, apply(&served, &mesh).await] {
            assert_eq!(answer.status, 400, "{mesh}: {}", answer.text());
            let told = answer.json()["invalid_parameters"][0]["field"].clone();
            assert!(
                told.as_str().unwrap().ends_with(field),
                "{mesh}: {}",
                answer.text()
            );
            assert!(!answer.text().contains("PRIVATE KEY"));
        }
    }
    let works = provided(json!({ "secret": "cert" }), json!({ "secret": "key" }));
    let all = json!([works, secret("cert", cert), secret("key", key)]);
    let applied = apply(&served, &all).await;
    assert_eq!(applied.status, 200, "{}", applied.text());
}

#[tokio::test]
async fn the_next_authority_is_trusted_before_it_signs() {
    let served = serve(Role::Global).await;
    let (one, two) = (
        json!([builtin("ca-1")]),
        json!([builtin("ca-1"), builtin("ca-2")]),
    );
    let next = json!([builtin("ca-2")]);
    let steps = [
        (with("ca-1", &one), 201),
        (with("ca-2", &two), 400),
        (with("ca-2", &next), 400),
        (with("ca-1", &two), 200),
        (with("ca-2", &next), 400),
        (with("ca-2", &two), 200),
        (with("ca-2", &next), 200),
        // Without mutual TLS nobody has to trust anybody.
        (json!({ "type": "Mesh", "name": "m" }), 200),
        (with("ca-1", &one), 200),
    ];
    for (number, (mesh, status)) in steps.iter().enumerate() {
        let answer = served.put(MESH, mesh).await;
        assert_eq!(answer.status, *status, "step {number}: {}", answer.text());
    }
}

#[tokio::test]
async fn secrets_of_an_authority_stay_while_it_is_in_use() {
    let served = serve(Role::Global).await;
    served
        .put(MESH, &with("ca-1", &json!([builtin("ca-1")])))
        .await;
    for path in [CERT, KEY] {
        let refused = served.delete(path).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(
            refused.text().contains("is currently in use in Mesh"),
            "{}",
            refused.text()
        );
    }
    served
        .put(MESH, &json!({ "type": "Mesh", "name": "m" }))
        .await;
    assert_eq!(served.delete(KEY).await.status, 200);
    // Half an authority is no authority.
    let half = served
        .put(MESH, &with("ca-1", &json!([builtin("ca-1")])))
        .await;
    assert_eq!(half.status, 400, "{}", half.text());
    assert!(half.text().contains("delete"), "{}", half.text());
    assert_eq!(served.delete(CERT).await.status, 200);
    let anew = served
        .put(MESH, &with("ca-1", &json!([builtin("ca-1")])))
        .await;
    assert_eq!(anew.status, 200, "{}", anew.text());
}

#[tokio::test]
async fn the_insight_of_a_mesh_counts_who_has_certificates_of_whom() {
    let served = serve(Role::Global).await;
    for (name, issued) in [("one", "ca-1"), ("two", "ca-2"), ("three", "ca-2")] {
        let (mesh, inbound) = (
            "default",
            json!([{ "port": 80, "tags": { "kuma.io/service": name } }]),
        );
        let networking = json!({ "address": "10.0.0.1", "inbound": inbound });
        let dataplane =
            json!({ "type": "Dataplane", "mesh": mesh, "name": name, "networking": networking });
        served.seed(&dataplane).await;
        let mtls = json!({ "issuedBackend": issued, "supportedBackends": ["ca-1", "ca-2"] });
        let insight = json!({
            "type": "DataplaneInsight", "mesh": mesh, "name": name, "mTLS": mtls,
            "subscriptions": [{ "id": "1", "connectTime": "2026-01-01T00:00:00Z" }],
        });
        served.seed(&insight).await;
    }
    let insight = served.get("/mesh-insights/default").await.json();
    let count = |count: u32| json!({ "total": count, "online": count });
    assert_eq!(
        insight["mTLS"],
        json!({
            "issuedBackends": { "ca-1": count(1), "ca-2": count(2) },
            "supportedBackends": { "ca-1": count(3), "ca-2": count(3) },
        })
    );
}
