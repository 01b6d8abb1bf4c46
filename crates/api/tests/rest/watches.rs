//! Streams of what changes.

use std::sync::Arc;

use crate::support::{Lines, mesh_gateway, serve, serve_with};
use portolan_api::{
    Api, Role,
    status::{Status, Zone},
};
use serde_json::{Value, json};
use tokio::sync::watch;

const GATEWAYS: &str = "/meshes/default/meshgateways";

/// Operation and name of the next line.
async fn next(lines: &mut Lines) -> (String, String) {
    let line = lines.next().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(line["revision"].as_u64().unwrap() > 0);
    assert_eq!(line["resource"]["type"], "MeshGateway");
    (text(&line["operation"]), text(&line["resource"]["name"]))
}

fn told(operation: &str, name: &str) -> (String, String) {
    (operation.to_owned(), name.to_owned())
}

#[tokio::test]
async fn what_is_there_then_what_changes() {
    let served = serve(Role::Global).await;
    for name in ["a", "b"] {
        served
            .put(&format!("{GATEWAYS}/{name}"), &mesh_gateway(name, 8080))
            .await;
    }
    let mut lines = served.open(&format!("{GATEWAYS}?watch=true")).await;
    let first = lines.next().await;
    assert_eq!(first["operation"], "PUT");
    assert_eq!(
        first["resource"],
        served.get(&format!("{GATEWAYS}/a")).await.json()
    );
    assert_eq!(next(&mut lines).await, told("PUT", "b"));

    served
        .put("/meshes/m2", &json!({ "type": "Mesh", "name": "m2" }))
        .await;
    served
        .put(&format!("{GATEWAYS}/a"), &mesh_gateway("a", 8081))
        .await;
    assert_eq!(next(&mut lines).await, told("PUT", "a"));
    served.delete(&format!("{GATEWAYS}/b")).await;
    assert_eq!(next(&mut lines).await, told("DELETE", "b"));
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_state_only() {
    let served = serve(Role::Global).await;
    let mut lines = served.open("/meshgateways?watch=true").await;
    served
        .put(&format!("{GATEWAYS}/a"), &mesh_gateway("a", 8080))
        .await;
    assert_eq!(next(&mut lines).await, told("PUT", "a"));
    for port in 8081..8089 {
        served
            .put(&format!("{GATEWAYS}/a"), &mesh_gateway("a", port))
            .await;
    }
    served
        .put(&format!("{GATEWAYS}/short"), &mesh_gateway("short", 80))
        .await;
    served.delete(&format!("{GATEWAYS}/short")).await;
    let newest = lines.next().await;
    assert_eq!(newest["resource"]["conf"]["listeners"][0]["port"], 8088);
    served.delete(&format!("{GATEWAYS}/a")).await;
    assert_eq!(next(&mut lines).await, told("DELETE", "a"));
}

#[tokio::test]
async fn a_filter_lets_resources_come_and_go() {
    let served = serve(Role::Global).await;
    let mut lines = served
        .open(&format!("{GATEWAYS}?watch=true&filter%5Blabels.team%5D=x"))
        .await;
    let mut labelled = mesh_gateway("a", 8080);
    labelled["labels"] = json!({ "team": "x" });
    served
        .put(&format!("{GATEWAYS}/other"), &mesh_gateway("other", 8080))
        .await;
    served.put(&format!("{GATEWAYS}/a"), &labelled).await;
    assert_eq!(next(&mut lines).await, told("PUT", "a"));
    served
        .put(&format!("{GATEWAYS}/a"), &mesh_gateway("a", 8080))
        .await;
    assert_eq!(next(&mut lines).await, told("DELETE", "a"));
}

#[tokio::test]
async fn a_mesh_takes_its_resources_with_it() {
    let served = serve(Role::Global).await;
    served
        .put("/meshes/m2", &json!({ "type": "Mesh", "name": "m2" }))
        .await;
    let mut gateway = mesh_gateway("a", 8080);
    gateway["mesh"] = json!("m2");
    served.put("/meshes/m2/meshgateways/a", &gateway).await;
    let mut lines = served.open("/meshes/m2/meshgateways?watch=true").await;
    assert_eq!(next(&mut lines).await, told("PUT", "a"));
    served.delete("/meshes/m2").await;
    assert_eq!(next(&mut lines).await, told("DELETE", "a"));
}

#[tokio::test]
async fn a_mesh_that_does_not_exist_is_not_watched() {
    let served = serve(Role::Global).await;
    assert_eq!(
        served
            .get("/meshes/none/meshgateways?watch=true")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_status_at_once_and_whenever_it_changes() {
    let status = |revision, online| {
        let zone = Zone {
            name: "east".to_owned(),
            online,
            ..Zone::default()
        };
        Arc::new(Status {
            revision,
            zones: vec![zone],
        })
    };
    let (sender, receiver) = watch::channel(status(1, false));
    let served = serve_with(|api| Api {
        status: receiver,
        ..api
    })
    .await;
    let expected = json!({ "revision": 1, "zones": [
        { "name": "east", "online": false, "acknowledgedRevision": 0, "instances": [] },
    ] });
    assert_eq!(served.get("/_status").await.json(), expected);

    let mut lines = served.open("/_status?watch=true").await;
    assert_eq!(lines.next().await, expected);
    for revision in 2..9 {
        sender.send_replace(status(revision, true));
    }
    let newest = lines.next().await;
    assert_eq!(
        (&newest["revision"], &newest["zones"][0]["online"]),
        (&json!(8), &json!(true))
    );
}

#[tokio::test]
async fn a_zone_is_deleted_only_once_it_is_offline() {
    let zone = |online| Zone {
        name: "east".to_owned(),
        online,
        ..Zone::default()
    };
    let status = |online| {
        Arc::new(Status {
            revision: 1,
            zones: vec![zone(online)],
        })
    };
    let (sender, receiver) = watch::channel(status(true));
    let served = serve_with(|api| Api {
        status: receiver,
        ..api
    })
    .await;
    served
        .seed(&json!({ "type": "Zone", "name": "east" }))
        .await;
    served
        .seed(&json!({ "type": "ZoneInsight", "name": "east" }))
        .await;
    let refused = served.delete("/zones/east").await;
    assert_eq!(refused.status, 400);
    let reason = "unable to delete Zone, Zone CP is still connected, please shut it down first";
    assert_eq!(refused.json()["invalid_parameters"][0]["reason"], reason);

    sender.send_replace(status(false));
    assert_eq!(served.delete("/zones/east").await.status, 200);
    assert_eq!(
        served.get("/zone-insights/east").await.status,
        404,
        "the insight goes with it"
    );
}
