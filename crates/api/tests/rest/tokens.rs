//! Tokens: issued to administrators, and shown by users.

use std::sync::Arc;

use portolan_access::Tokens;
use portolan_api::{Api, Role};
use serde_json::{Value, json};

use crate::support::{Answer, Served, serve, serve_with, zone};

/// An address of another machine.
const ELSEWHERE: &str = "192.0.2.7";

async fn post(served: &Served, path: &str, body: &Value) -> Answer {
    served.send("POST", path, &[], body.to_string()).await
}

fn assert_violation(answer: &Answer, field: &str, reason: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["title"], "Invalid request");
    assert_eq!(told["invalid_parameters"][0]["field"], field);
    let told = told["invalid_parameters"][0]["reason"].as_str().unwrap();
    assert!(told.starts_with(reason), "{told}");
}

#[tokio::test]
async fn tokens_for_data_planes() {
    let served = serve(Role::Global).await;
    let tokens = Tokens::of_global(Arc::clone(&served.store));
    let post = async |body: &Value| post(&served, "/tokens/dataplane", body).await;

    let given = json!({
        "name": "gw", "mesh": "default", "tags": { "kuma.io/service": ["edge-gateway"] }, "type": "",
        "workload": "", "validFor": "1h0m0s",
    });
    let answer = post(&given).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let claims = tokens.dataplane("default", answer.text()).unwrap();
    assert_eq!(
        (claims.name.as_str(), claims.mesh.as_str()),
        ("gw", "default")
    );
    assert_eq!(claims.proxy_type, "dataplane");
    assert!(claims.tags["kuma.io/service"].contains("edge-gateway"));

    assert_eq!(
        post(&json!({ "mesh": "default", "tags": null }))
            .await
            .status,
        200
    );

    let refused = [
        (json!({}), "mesh", "cannot be empty"),
        (
            json!({ "mesh": "m", "type": "car" }),
            "type",
            "car is not a valid proxy type",
        ),
        (
            json!({ "mesh": "m", "validFor": "soon" }),
            "validFor",
            "is invalid: ",
        ),
        (
            json!({ "mesh": "m", "validFor": "-1h" }),
            "validFor",
            "is invalid: must not be negative",
        ),
    ];
    for (request, field, reason) in refused {
        assert_violation(&post(&request).await, field, reason);
    }
    assert_eq!(post(&json!({ "mesh": 1 })).await.status, 400);
    let answer = post(&json!({ "mesh": "none" })).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["title"], "Signing Key not found");
}

#[tokio::test]
async fn tokens_for_zones() {
    let served = serve(Role::Global).await;
    let tokens = Tokens::of_global(Arc::clone(&served.store));
    let post = async |body: &Value| post(&served, "/tokens/zone", body).await;
    // As kumactl asks.
    let given = json!({ "zone": "z", "scope": ["ingress", "egress"], "validFor": "1h0m0s" });
    let answer = post(&given).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claims = tokens.zone(answer.text()).unwrap();
    assert_eq!(claims.zone, "z");
    assert_eq!(claims.scope, ["ingress", "egress"]);
    for (request, field, reason) in [
        (json!({ "zone": "z" }), "scope", "cannot be empty"),
        (
            json!({ "zone": "z", "scope": ["cp", "all"] }),
            "scope[1]",
            "\"all\" is none of",
        ),
        (json!({ "scope": ["cp"] }), "zone", "cannot be empty"),
        (
            json!({ "zone": "z", "scope": ["cp"], "validFor": "soon" }),
            "validFor",
            "is invalid: ",
        ),
    ] {
        assert_violation(&post(&request).await, field, reason);
    }
}

#[tokio::test]
async fn tokens_for_users() {
    let served = serve(Role::Global).await;
    let post = async |body: &Value| post(&served, "/tokens/user", body).await;
    // As kumactl asks.
    let answer = post(&json!({ "name": "u", "groups": null, "validFor": "1h0m0s" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tokens = Tokens::of_global(Arc::clone(&served.store));
    assert!(!tokens.user(answer.text()).unwrap().is_admin());
    for (request, field, reason) in [
        (json!({ "validFor": "1h" }), "name", "cannot be empty"),
        (json!({ "name": "u" }), "validFor", "cannot be empty or nil"),
        (
            json!({ "name": "u", "validFor": "0s" }),
            "validFor",
            "cannot be empty or nil",
        ),
        (
            json!({ "name": "u", "validFor": "x" }),
            "validFor",
            "is invalid: ",
        ),
    ] {
        assert_violation(&post(&request).await, field, reason);
    }
}

#[tokio::test]
async fn only_administrators_get_tokens() {
    let served = serve(Role::Global).await;
    let user = issue_user(&served, &[]).await;
    let as_user = [("authorization", &*format!("Bearer {user}"))];
    for (path, body) in [
        ("/tokens/dataplane", json!({ "mesh": "default" })),
        ("/tokens/zone", json!({ "zone": "z", "scope": ["cp"] })),
        ("/tokens/user", json!({ "name": "u", "validFor": "1h" })),
        ("/tokens/user", json!("no request at all")),
    ] {
        let body = body.to_string();
        for answer in [
            served
                .send_from(ELSEWHERE, "POST", path, &[], body.clone())
                .await,
            served.send("POST", path, &as_user, body.clone()).await,
        ] {
            assert_eq!(answer.status, 403, "{path}: {}", answer.text());
            assert_eq!(answer.json()["title"], "Access Denied");
        }
    }
}

async fn issue_user(served: &Served, groups: &[&str]) -> String {
    let request = json!({ "name": "ada", "groups": groups, "validFor": "1h" });
    let answer = post(served, "/tokens/user", &request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

#[tokio::test]
async fn who_shows_a_token_is_that_user() {
    let served = serve_with(|api| Api {
        localhost_is_admin: true,
        ..api
    })
    .await;
    let admin = format!(
        "Bearer {}",
        issue_user(&served, &["mesh-system:admin"]).await
    );
    let user = format!("Bearer {}", issue_user(&served, &["team"]).await);
    let ask = async |peer: &str, value: &str| {
        let headers = [("authorization", value)];
        let path = "/meshes/default/secrets";
        served.send_from(peer, "GET", path, &headers, "").await
    };
    for peer in ["127.0.0.1", ELSEWHERE] {
        assert_eq!(ask(peer, &admin).await.status, 200);
        let denied = ask(peer, &user).await;
        assert_eq!(denied.status, 403);
        let detail = denied.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with(
                "user \"ada/team,mesh-system:authenticated\" cannot access the resource of type \"Secret\""
            ),
            "{detail}"
        );
        let forged = format!("{}x", &admin[..admin.len() - 1]);
        for wrong in [&*forged, "Bearer hunter2", "Bearer "] {
            let refused = ask(peer, wrong).await;
            assert_eq!(refused.status, 401, "{wrong}: {}", refused.text());
            let told = refused.json();
            assert_eq!(told["title"], "Invalid authentication data");
            assert!(!refused.text().contains("hunter2"));
        }
    }
    // Something else than a token is no answer to who it is.
    assert_eq!(ask(ELSEWHERE, "Basic YTpi").await.status, 403);
}

#[tokio::test]
async fn a_revoked_user_token_is_refused_from_then_on() {
    let served = serve(Role::Global).await;
    let token = issue_user(&served, &["mesh-system:admin"]).await;
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let ask = async || {
        served
            .send_from(ELSEWHERE, "GET", "/secrets", &headers, "")
            .await
    };
    assert_eq!(ask().await.status, 200);
    served
        .seed(&json!({
            "type": "GlobalSecret", "name": "user-token-revocations", "data": revocation(&token),
        }))
        .await;
    let refused = ask().await;
    assert_eq!(refused.status, 401);
    assert!(
        refused.text().contains("has been revoked"),
        "{}",
        refused.text()
    );
}

/// A token's id as a secret's data.
fn revocation(token: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = token.split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    BASE64_STANDARD.encode(claims["jti"].as_str().unwrap())
}

#[tokio::test]
async fn a_zone_issues_for_its_users_and_keeps_their_secrets() {
    let served = serve_with(|api| Api {
        tokens: Arc::new(Tokens::of_zone(Arc::clone(&api.store), None)),
        role: zone("east"),
        ..api
    })
    .await;
    let token = issue_user(&served, &["mesh-system:admin"]).await;
    let request = json!({ "zone": "east", "scope": ["cp"] });
    let refused = post(&served, "/tokens/zone", &request).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("ask the global"),
        "{}",
        refused.text()
    );
    let request = json!({ "mesh": "default" });
    let refused = post(&served, "/tokens/dataplane", &request).await;
    assert_eq!(refused.status, 404);

    let revocations = json!({
        "type": "GlobalSecret", "name": "user-token-revocations", "data": revocation(&token),
    });
    let path = "/global-secrets/user-token-revocations";
    assert_eq!(served.put(path, &revocations).await.status, 201);
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let answer = served.send("GET", "/secrets", &headers, "").await;
    assert_eq!(answer.status, 401);
    assert_eq!(served.delete(path).await.status, 200);
    let other = json!({ "type": "GlobalSecret", "name": "zone-token-revocations", "data": "eA==" });
    let path = "/global-secrets/zone-token-revocations";
    assert_eq!(served.put(path, &other).await.status, 405);
}
