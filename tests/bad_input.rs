//! What cannot be taken is refused with a clear 4xx, and changes nothing.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{global, mesh_gateway, sandbox};

/// Asks with a raw body; the status code and the answer's text.
async fn put(base: &str, path: &str, content_type: &str, body: String) -> (u16, String) {
    let answer = reqwest::Client::new()
        .put(format!("{base}{path}"))
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_and_changes_nothing() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let base = global.http.base();
    let gateways = "/meshes/default/meshgateways";
    global
        .http
        .put(&format!("{gateways}/edge"), &mesh_gateway(8080_u32))
        .await
        .unwrap();
    let before = global.http.get(&format!("{gateways}/edge")).await.unwrap();

    let edge = format!("{gateways}/edge");
    let long = "a".repeat(1 << 20);
    let mut wrong_type = mesh_gateway(8080_u32);
    wrong_type["conf"]["listeners"][0]["port"] = json!("x");
    let mut wrong_port = mesh_gateway(70_000_u32);
    wrong_port["conf"]["listeners"][0]["protocol"] = json!("HTTP");
    let mut named_long = mesh_gateway(8080_u32);
    named_long["name"] = json!(long);
    let json = "application/json";
    let cases = [
        (
            &edge,
            json,
            "{not json".to_owned(),
            400,
            "invalid MeshGateway object",
        ),
        (
            &edge,
            json,
            String::new(),
            400,
            "unexpected end of JSON input",
        ),
        (&edge, json, "[]".to_owned(), 400, "cannot unmarshal array"),
        (
            &edge,
            "application/yaml",
            "a: [".to_owned(),
            400,
            "invalid MeshGateway object",
        ),
        (
            &edge,
            json,
            wrong_type.to_string(),
            400,
            "invalid MeshGateway object",
        ),
        (
            &edge,
            json,
            wrong_port.to_string(),
            400,
            "conf.listeners[0].port",
        ),
        (&edge, json, named_long.to_string(), 400, "name"),
        (
            &edge,
            json,
            format!("\"{}\"", "x".repeat(20 << 20)),
            413,
            "",
        ),
    ];
    for (path, content_type, body, status, text) in cases {
        let shown: String = body.chars().take(60).collect();
        let answer = put(base, path, content_type, body).await;
        assert_eq!(answer.0, status, "for {shown}: {}", answer.1);
        assert!(answer.1.contains(text), "for {shown}: {}", answer.1);
    }
    let (status, _) = put(base, "/meshes/default/nothings/x", json, "{}".to_owned()).await;
    assert_eq!(status, 404);

    let stale = reqwest::Client::new()
        .put(format!("{base}{edge}"))
        .header("if-match", "\"99\"")
        .json(&mesh_gateway(8081_u32))
        .send()
        .await
        .unwrap();
    assert_eq!(stale.status().as_u16(), 409);

    let half = json!({ "resources": [mesh_gateway(9090_u32), { "type": "MeshGateway", "mesh": "default", "name": "bad" }] });
    let refused = global
        .http
        .post("/_apply", &half)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("conf"), "{refused}");

    let after = global.http.get(&edge).await.unwrap();
    assert_eq!(before, after, "a refused write changed the resource");
    let all = global.http.get(gateways).await.unwrap();
    assert_eq!(all["total"], 1);
}
