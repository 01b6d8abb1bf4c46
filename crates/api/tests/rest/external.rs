//! Views of external services, and of who may reach what.

use serde_json::{Value, json};

use crate::support::{Served, mesh_gateway, serve, zone};

fn dataplane(name: &str, networking: Value) -> Value {
    json!({
        "type": "Dataplane", "mesh": "default", "name": name, "networking": networking,
        "labels": { "kuma.io/zone": "east" },
    })
}

fn permission(name: &str, from: &str, to: &str) -> Value {
    json!({
        "type": "TrafficPermission", "mesh": "default", "name": name,
        "sources": [{ "match": { "kuma.io/service": from } }],
        "destinations": [{ "match": { "kuma.io/service": to } }],
    })
}

/// A BUILTIN gateway, a DELEGATED one and a member, all of which may go to the external service `bank`.
async fn with_bank() -> Served {
    let served = serve(zone("east")).await;
    let outbound = json!([{ "port": 10001, "tags": { "kuma.io/service": "bank" } }]);
    for (name, networking) in [
        (
            "gw",
            json!({
                "address": "10.0.0.1",
                "gateway": { "type": "BUILTIN", "tags": { "kuma.io/service": "edge-gateway" } },
            }),
        ),
        (
            "nginx",
            json!({
                "address": "10.0.0.2", "outbound": outbound,
                "gateway": { "type": "DELEGATED", "tags": { "kuma.io/service": "nginx" } },
            }),
        ),
        (
            "api",
            json!({
                "address": "10.0.0.3", "outbound": outbound,
                "inbound": [{ "port": 80, "servicePort": 8080, "tags": { "kuma.io/service": "api" } }],
            }),
        ),
    ] {
        served.seed(&dataplane(name, networking)).await;
    }
    served.seed(&mesh_gateway("edge", 8080)).await;
    served
        .seed(&json!({
            "type": "MeshGatewayRoute", "mesh": "default", "name": "pay",
            "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
            "conf": { "http": { "rules": [{
                "matches": [{ "path": { "match": "PREFIX", "value": "/pay" } }],
                "backends": [
                    { "weight": 1, "destination": { "kuma.io/service": "bank" } },
                    { "weight": 1, "destination": { "kuma.io/service": "api" } },
                ],
            }] } },
        }))
        .await;
    served
        .seed(&json!({
            "type": "ExternalService", "mesh": "default", "name": "bank",
            "tags": { "kuma.io/service": "bank", "kuma.io/zone": "west" },
            "networking": { "address": "bank.example.com:443" },
        }))
        .await;
    served
}

async fn names(served: &Served, permission: &str) -> Vec<Value> {
    let path = format!("/meshes/default/traffic-permissions/{permission}/dataplanes");
    let items = served.get(&path).await.json()["items"].clone();
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| item["dataplane"]["name"].clone())
        .collect()
}

#[tokio::test]
async fn a_permission_tells_whom_it_lets_reach_what() {
    let served = with_bank().await;
    served
        .seed(&permission("bank", "edge-gateway", "bank"))
        .await;
    let path = "/meshes/default/traffic-permissions/bank/dataplanes";
    assert_eq!(
        served.get(path).await.json()["items"],
        json!([{
            "kind": "MeshGatewayDataplane",
            "dataplane": { "mesh": "default", "name": "gw" },
            "gateway": { "mesh": "default", "name": "edge" },
            "listeners": [{ "port": 8080, "protocol": "HTTP", "hosts": [{ "hostName": "*", "routes": [
                { "route": "pay", "destinations": [{ "kuma.io/service": "bank" }] },
            ] }] }],
        }])
    );
    let of_gateway = served
        .get("/meshes/default/dataplanes/gw/policies")
        .await
        .json();
    let route = &of_gateway["listeners"][0]["hosts"][0]["routes"][0];
    let names_of = |position: usize| route["destinations"][position]["policies"].clone();
    assert_eq!(names_of(0)["TrafficPermission"]["name"], "bank");
    assert_eq!(names_of(1), json!({}));

    // One that lets all reach all is for members too; of the bank another decides.
    served.seed(&permission("all", "*", "*")).await;
    assert_eq!(names(&served, "bank").await, ["gw"]);
    assert_eq!(
        served
            .get("/meshes/default/traffic-permissions/all/dataplanes")
            .await
            .json()["items"],
        json!([{
            "kind": "SidecarDataplane",
            "dataplane": { "mesh": "default", "name": "api" },
            "attachments": [{ "type": "inbound", "name": "10.0.0.3:80:8080", "service": "api" }],
        }])
    );
    served.seed(&permission("bank", "*", "bank")).await;
    assert_eq!(names(&served, "bank").await, ["gw", "nginx", "api"]);
}

#[tokio::test]
async fn a_member_is_inspected_with_what_it_lets_in_and_what_it_may_reach() {
    let served = with_bank().await;
    served.seed(&permission("all", "*", "*")).await;
    served.seed(&permission("bank", "api", "bank")).await;
    let inspected = served
        .get("/meshes/default/dataplanes/api/policies")
        .await
        .json();
    assert_eq!(inspected["kind"], "SidecarDataplane");
    let items = inspected["items"].as_array().unwrap().iter();
    let told: Vec<_> = items
        .map(|item| {
            let permissions = &item["matchedPolicies"]["TrafficPermission"];
            (
                item["type"].clone(),
                item["name"].clone(),
                permissions[0]["name"].clone(),
            )
        })
        .collect();
    let row = |a: &str, b: &str, c: &str| (json!(a), json!(b), json!(c));
    assert_eq!(
        told,
        [
            row("inbound", "10.0.0.3:80:8080", "all"),
            row("outbound", "127.0.0.1:10001", "bank")
        ]
    );
}

#[tokio::test]
async fn what_members_do_with_requests_is_theirs_where_the_mesh_has_mutual_tls() {
    let served = with_bank().await;
    let mut speaking = dataplane(
        "api",
        json!({
            "address": "10.0.0.3",
            "inbound": [{ "port": 80, "tags": { "kuma.io/service": "api", "kuma.io/protocol": "http" } }],
        }),
    );
    served.seed(&speaking).await;
    let mut limit = permission("limit", "*", "api");
    limit["type"] = json!("RateLimit");
    limit["conf"] = json!({ "http": { "requests": 5, "interval": "1s" } });
    served.seed(&limit).await;
    let path = "/meshes/default/rate-limits/limit/dataplanes";
    let whom = async || {
        let item = served.get(path).await.json()["items"][0].clone();
        (
            item["dataplane"]["name"].clone(),
            item["attachments"][0]["type"].clone(),
        )
    };
    assert_eq!(whom().await, (json!("gw"), Value::Null));
    served
        .seed(&json!({
            "type": "Mesh", "name": "default",
            "mtls": { "enabledBackend": "ca", "backends": [{ "name": "ca", "type": "builtin" }] },
        }))
        .await;
    assert_eq!(whom().await, (json!("api"), json!("inbound")));
    let inspected = served
        .get("/meshes/default/dataplanes/api/policies")
        .await
        .json();
    let policies = &inspected["items"][0]["matchedPolicies"];
    assert_eq!(policies["RateLimit"][0]["name"], "limit");
    // Bytes pass a member that does not read them.
    speaking["networking"]["inbound"][0]["tags"]["kuma.io/protocol"] = json!("tcp");
    served.seed(&speaking).await;
    assert_eq!(whom().await, (json!("gw"), Value::Null));
}

#[tokio::test]
async fn services_outside_the_mesh_are_among_the_services() {
    let served = with_bank().await;
    let list = async |query: &str| {
        let path = format!("/meshes/default/service-insights{query}");
        served.get(&path).await
    };
    let names = |list: &Value| -> Vec<Value> {
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["name"].clone()).collect()
    };
    let all = list("").await.json();
    assert_eq!(names(&all), ["api", "bank", "edge-gateway", "nginx"]);
    let mut bank = all["items"][1].clone();
    for time in ["creationTime", "modificationTime"] {
        bank.as_object_mut().unwrap().remove(time);
    }
    assert_eq!(
        bank,
        json!({
            "type": "ServiceInsight", "mesh": "default", "name": "bank",
            "status": "not_available", "dataplanes": {}, "serviceType": "external",
            "addressPort": "bank.example.com:443", "zones": ["west"],
        })
    );
    assert_eq!(names(&list("?type=external").await.json()), ["bank"]);
    let both = list("?type=Internal,gateway_delegated").await.json();
    assert_eq!(names(&both), ["api", "nginx"]);
    let refused = list("?type=other").await;
    assert_eq!(
        (refused.status, &refused.json()["detail"]),
        (400, &json!("unsupported service type"))
    );
}
