//! Secrets: what goes in comes out, for administrators alone, and is told to nobody else.

use portolan_api::{Api, Role};
use serde_json::{Value, json};

use crate::support::{Answer, Served, serve, serve_with, zone};

const SECRET: &str = "/meshes/default/secrets/cert";
const GLOBAL: &str = "/global-secrets/key";
/// `hunter2` in base64.
const DATA: &str = "aHVudGVyMg==";
/// An address of another machine.
const ELSEWHERE: &str = "192.0.2.7";

fn secret(data: Value) -> Value {
    json!({ "type": "Secret", "mesh": "default", "name": "cert", "data": data })
}

fn global_secret() -> Value {
    json!({ "type": "GlobalSecret", "name": "key", "data": DATA })
}

fn assert_denied(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.text());
    let told = answer.json();
    assert_eq!(
        (&told["title"], &told["status"]),
        (&json!("Access Denied"), &json!(403)),
        "{what}"
    );
    assert!(!answer.text().contains(DATA), "{what}");
}

async fn filled(served: &Served) {
    assert_eq!(served.put(SECRET, &secret(json!(DATA))).await.status, 201);
    assert_eq!(served.put(GLOBAL, &global_secret()).await.status, 201);
}

#[tokio::test]
async fn an_administrator_reads_what_was_written() {
    let served = serve(Role::Global).await;
    filled(&served).await;
    let cases = [
        (SECRET, "/meshes/default/secrets", "Secret"),
        (GLOBAL, "/global-secrets", "GlobalSecret"),
    ];
    for (path, list, kind) in cases {
        let one = served.get(path).await;
        assert_eq!(
            (&one.json()["type"], &one.json()["data"]),
            (&json!(kind), &json!(DATA))
        );
        assert_eq!(one.json().get("kri"), None);
        assert_eq!(one.header("cache-control"), Some("no-store"));
        let all = served.get(list).await.json();
        assert_eq!(
            (&all["total"], &all["items"][0]["data"]),
            (&json!(1), &json!(DATA))
        );
        assert_eq!(served.delete(path).await.status, 200);
        assert_eq!(served.get(path).await.status, 404);
    }
}

#[tokio::test]
async fn what_is_no_secret_is_refused_without_repeating_it() {
    let served = serve(Role::Global).await;
    for empty in [json!(null), json!("")] {
        let told = served.put(SECRET, &secret(empty)).await.json();
        assert_eq!(told["status"], 400);
        assert_eq!(
            told["invalid_parameters"],
            json!([{ "field": "data", "reason": "cannot be empty" }])
        );
    }
    for wrong in [
        json!("hunter2!"),
        json!(["hunter2!"]),
        json!({ "a": "hunter2!" }),
    ] {
        let bodies = [
            ("PUT", SECRET, secret(wrong.clone())),
            ("POST", "/_apply", secret(wrong)),
        ];
        for (method, path, body) in bodies {
            let answer = served.send(method, path, &[], body.to_string()).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            assert!(answer.text().contains("base64"), "{}", answer.text());
            assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn nobody_else_gets_near_them() {
    let served = serve(Role::Global).await;
    filled(&served).await;
    let body = secret(json!(DATA)).to_string();
    let apply = json!([{ "type": "Mesh", "name": "m2" }, global_secret()]).to_string();
    let requests = [
        ("GET", SECRET, ""),
        ("GET", GLOBAL, ""),
        ("GET", "/meshes/default/secrets", ""),
        ("GET", "/meshes/none/secrets", ""),
        ("GET", "/secrets", ""),
        ("GET", "/secrets?watch=true", ""),
        ("GET", "/global-secrets?name=key", ""),
        ("PUT", SECRET, body.as_str()),
        ("DELETE", GLOBAL, ""),
        ("POST", "/_apply", apply.as_str()),
        ("POST", "/_apply?dryRun=true", apply.as_str()),
    ];
    for (method, path, body) in requests {
        let what = format!("{method} {path}");
        let answer = served
            .send_from(ELSEWHERE, method, path, &[], body.to_owned())
            .await;
        assert_denied(&answer, &what);
        let proxied = [("x-forwarded-for", ELSEWHERE)];
        assert_denied(
            &served.send(method, path, &proxied, body.to_owned()).await,
            &what,
        );
    }
    assert_eq!(served.get("/meshes/m2").await.status, 404);
    assert_eq!(served.get(GLOBAL).await.status, 200);

    let answer = served
        .send_from(ELSEWHERE, "GET", "/_resources", &[], "")
        .await;
    assert!(answer.text().contains("MeshGateway") && !answer.text().contains("Secret"));
    let answer = served.send_from(ELSEWHERE, "GET", "/meshes", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn localhost_can_be_made_nobody_special() {
    let served = serve_with(|api| Api {
        localhost_is_admin: false,
        ..api
    })
    .await;
    assert_denied(&served.get("/global-secrets").await, "GET");
    assert_denied(&served.put(SECRET, &secret(json!(DATA))).await, "PUT");
}

#[tokio::test]
async fn a_zone_shows_what_it_got_and_takes_none() {
    let served = serve(zone("east")).await;
    served.seed(&secret(json!(DATA))).await;
    assert_eq!(served.get(SECRET).await.json()["data"], DATA);
    assert_eq!(served.put(SECRET, &secret(json!(DATA))).await.status, 405);
}

#[tokio::test]
async fn an_apply_tells_outcomes_and_no_content() {
    let served = serve(Role::Global).await;
    let both = json!([secret(json!(DATA)), global_secret()]).to_string();
    let answer = served.send("POST", "/_apply", &[], both).await;
    assert_eq!(answer.json()["results"][1]["outcome"], "created");
    assert!(!answer.text().contains(DATA));
    let mut lines = served.open("/secrets?watch=true").await;
    assert_eq!(lines.next().await["resource"]["data"], DATA);
}

/// A key in an ExternalService itself is as secret as one in a Secret.
#[tokio::test]
async fn keys_that_stand_in_other_resources_are_shown_to_administrators_alone() {
    let served = serve(Role::Global).await;
    let pair = rcgen::generate_simple_self_signed(["client.test".to_owned()]).unwrap();
    let inline = |text: String| json!({ "inlineString": text });
    let key = pair.signing_key.serialize_pem();
    let external = json!({
        "type": "ExternalService", "mesh": "default", "name": "bank",
        "tags": { "kuma.io/service": "bank" },
        "networking": { "address": "bank.test:443", "tls": {
            "enabled": true,
            "clientCert": inline(pair.cert.pem()),
            "clientKey": inline(key.clone()),
        } },
    });
    const PATH: &str = "/meshes/default/external-services/bank";
    let written = served.put(PATH, &external).await;
    assert_eq!(written.status, 201, "{}", written.text());
    let line = key.lines().nth(1).unwrap();
    for path in [
        PATH,
        "/meshes/default/external-services",
        "/external-services",
    ] {
        assert!(served.get(path).await.text().contains(line), "{path}");
        let answer = served.send_from(ELSEWHERE, "GET", path, &[], "").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("PRIVATE KEY"), "{path}");
        assert!(answer.text().contains("BEGIN CERTIFICATE"), "{path}");
    }
    // What is shown in its place cannot be written back by mistake.
    let shown = served.send_from(ELSEWHERE, "GET", PATH, &[], "").await;
    let back = served
        .send_from(ELSEWHERE, "PUT", PATH, &[], shown.text().to_owned())
        .await;
    assert_eq!(back.status, 400, "{}", back.text());
    assert!(
        back.text().contains("networking.tls.clientKey"),
        "{}",
        back.text()
    );

    let served = serve_with(|api| Api {
        localhost_is_admin: false,
        ..api
    })
    .await;
    assert_eq!(served.put(PATH, &external).await.status, 201);
    let mut lines = served.open("/external-services?watch=true").await;
    let line = lines.next().await.to_string();
    assert!(
        line.contains("(hidden)") && !line.contains("PRIVATE KEY"),
        "{line}"
    );
}
