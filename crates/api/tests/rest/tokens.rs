//! Data plane tokens.

use std::sync::Arc;

use crate::support::{serve_with, zone};
use portolan_api::Api;
use portolan_identity::tokens::SigningKey;
use serde_json::json;

#[tokio::test]
async fn tokens_for_data_planes() {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(SigningKey::load_or_create(&folder.path().join("key")).unwrap());
    let tokens = Some(Arc::clone(&key));
    let served = serve_with(|api| Api {
        tokens,
        role: zone("east"),
        ..api
    })
    .await;
    let post = async |body: &serde_json::Value| {
        served
            .send("POST", "/tokens/dataplane", &[], body.to_string())
            .await
    };

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
    let claims = key.verifier().verify_dataplane(answer.text()).unwrap();
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
        let answer = post(&request).await;
        assert_eq!(answer.status, 400);
        let told = answer.json();
        assert_eq!(told["title"], "Invalid request");
        assert_eq!(told["invalid_parameters"][0]["field"], field);
        let told = told["invalid_parameters"][0]["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(told.starts_with(reason), "{told}");
    }
    assert_eq!(post(&json!({ "mesh": 1 })).await.status, 400);
}
