//! Views of gateways: explanations, diffs, warnings, inspection.

use portolan_api::Role;
use serde_json::{Value, json};

use crate::support::{Served, mesh_gateway, serve, zone};

fn route(name: &str, path: &str) -> Value {
    json!({
        "type": "MeshGatewayRoute",
        "mesh": "default",
        "name": name,
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "http": { "rules": [{
            "matches": [{ "path": { "match": "PREFIX", "value": path } }],
            "backends": [{ "destination": { "kuma.io/service": "api" } }],
        }] } },
    })
}

fn dataplane(name: &str, zone: &str, networking: Value) -> Value {
    json!({
        "type": "Dataplane", "mesh": "default", "name": name, "networking": networking,
        "labels": { "kuma.io/zone": zone },
    })
}

fn instance(name: &str, zone: &str) -> Value {
    let gateway = json!({ "type": "BUILTIN", "tags": { "kuma.io/service": "edge-gateway" } });
    dataplane(
        name,
        zone,
        json!({ "address": "10.0.0.1", "gateway": gateway }),
    )
}

fn service(name: &str, zone: &str, address: &str) -> Value {
    let inbound = json!([{ "port": 80, "tags": { "kuma.io/service": "api" } }]);
    dataplane(
        name,
        zone,
        json!({ "address": address, "inbound": inbound }),
    )
}

/// A gateway `edge` with instances in the zones `east` and `west`, and a service in the east.
async fn edge(role: Role) -> Served {
    let served = serve(role).await;
    served.seed(&instance("gw-east", "east")).await;
    served.seed(&instance("gw-west", "west")).await;
    served.seed(&service("api-1", "east", "10.0.0.2")).await;
    served.seed(&mesh_gateway("edge", 8080)).await;
    served.seed(&route("api", "/api")).await;
    served
}

const EXPLAIN: &str = "/meshes/default/meshgateways/edge/_explain";

#[tokio::test]
async fn a_global_explains_for_every_zone() {
    let served = edge(Role::Global).await;
    let answer = served
        .get(&format!("{EXPLAIN}?host=a.test&path=/api/x%3Fq=1"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["target"], "/api/x?q=1");
    let zones: Vec<_> = json["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| {
            let backend = &answer["route"]["backends"][0];
            (
                answer["zone"].clone(),
                answer["route"]["name"].clone(),
                backend["endpoints"].clone(),
                answer["outcome"]["status"].clone(),
            )
        })
        .collect();
    assert_eq!(
        zones,
        [
            (
                json!("east"),
                json!("api"),
                json!(["10.0.0.2:80"]),
                json!(null)
            ),
            (json!("west"), json!("api"), json!([]), json!(503)),
        ]
    );
    let west = served
        .get(&format!(
            "{EXPLAIN}?host=a.test&zone=west&method=POST&header=x:1&port=8080"
        ))
        .await
        .json();
    assert_eq!(west["answers"].as_array().unwrap().len(), 1);
    assert_eq!(
        west["answers"][0]["tried"][0]["why"],
        "PREFIX /api does not take /"
    );
    assert_eq!(west["answers"][0]["outcome"]["status"], 404);
}

#[tokio::test]
async fn a_zone_explains_for_itself_and_follows_what_changes() {
    let served = edge(zone("west")).await;
    let ask = async || {
        served
            .get(&format!("{EXPLAIN}?host=a.test&path=/api"))
            .await
            .json()
    };
    let before = ask().await;
    assert_eq!(before["answers"].as_array().unwrap().len(), 1);
    assert_eq!(before["answers"][0]["outcome"]["status"], 503);
    served.seed(&service("api-2", "west", "10.0.0.3")).await;
    served.seed(&route("longer", "/api/")).await;
    let after = ask().await;
    assert_eq!(
        after["answers"][0]["route"]["backends"][0]["endpoints"],
        json!(["10.0.0.3:80"])
    );
    assert_eq!(after["answers"][0]["host"]["routes"], 2);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused_with_its_field() {
    let served = edge(Role::Global).await;
    let answer = served.get(&format!("{EXPLAIN}?scheme=ftp&header=x")).await;
    let fields: Vec<_> = answer.json()["invalid_parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| parameter["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (answer.status, fields),
        (
            400,
            ["host", "scheme", "header"].map(str::to_owned).to_vec()
        )
    );
    let none = served
        .get("/meshes/default/meshgateways/none/_explain?host=a")
        .await;
    assert_eq!(
        (none.status, none.json()["title"].clone()),
        (404, json!("Could not find MeshGateway"))
    );
    assert_eq!(
        served
            .get("/meshes/none/meshgateways/edge/_explain?host=a")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn writes_are_answered_with_warnings() {
    let served = edge(Role::Global).await;
    let path = "/meshes/default/meshgatewayroutes/twin";
    let answer = served.put(path, &route("twin", "/api")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.json(),
        json!({ "warnings": ["conf.http.rules[0]: never takes a request: rule 0 of MeshGatewayRoute api takes all of \
                              them before (PREFIX /api)"] })
    );
    let listed = served.get("/meshes/default/_lint").await.json();
    assert_eq!(
        (&listed["total"], &listed["items"][0]["name"]),
        (&json!(1), &json!("twin"))
    );
    assert_eq!(
        served.put(path, &route("twin", "/twin")).await.json(),
        json!({})
    );
    assert_eq!(served.get("/meshes/default/_lint").await.json()["total"], 0);
    let alone = served.put("/meshes/default/meshgateways/alone", &json!({
        "type": "MeshGateway", "mesh": "default", "name": "alone", "selectors": [{ "match": { "kuma.io/service": "nobody" } }],
        "conf": { "listeners": [{ "port": 9090, "protocol": "HTTP" }] },
    })).await.json();
    assert!(
        alone["warnings"][0]
            .as_str()
            .unwrap()
            .contains("no BUILTIN gateway Dataplane"),
        "{alone}"
    );
}

#[tokio::test]
async fn a_dry_run_tells_the_difference_and_writes_nothing() {
    let served = edge(Role::Global).await;
    let mut changed = route("api", "/api");
    changed["conf"]["http"]["rules"][0]["backends"][0]["destination"]["kuma.io/service"] =
        "new".into();
    let body = json!([changed, route("other", "/a")]);
    let answer = served
        .send("POST", "/_apply?dryRun=diff", &[], body.to_string())
        .await
        .json();
    let port = &answer["gateways"][0]["ports"][0];
    assert_eq!(answer["gateways"][0]["zones"], json!(["east", "west"]));
    let routes: Vec<_> = port["hosts"][0]["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| {
            (
                route["change"].clone(),
                route["position"].clone(),
                route["name"].clone(),
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            (json!("changed"), json!(1), json!("api")),
            (json!("added"), json!(2), json!("other"))
        ]
    );
    assert_eq!(port["hosts"][0]["routes"][0]["was"], "to api (weight 1)");
    assert!(
        answer["results"][0]["warnings"][0]
            .as_str()
            .unwrap()
            .contains("no zone has an instance of new")
    );
    assert_eq!(
        served
            .get("/meshes/default/meshgatewayroutes/other")
            .await
            .status,
        404
    );
    let plain = served
        .send("POST", "/_apply?dryRun=true", &[], body.to_string())
        .await
        .json();
    assert_eq!(plain["gateways"], Value::Null);
    let same = served
        .send(
            "POST",
            "/_apply?dryRun=diff",
            &[],
            json!([route("api", "/api")]).to_string(),
        )
        .await;
    assert_eq!(same.json()["gateways"], json!([]));
}

#[tokio::test]
async fn dataplanes_are_inspected_as_kumactl_asks() {
    let served = edge(zone("east")).await;
    assert_eq!(
        served
            .get("/meshes/default/dataplanes/gw-east/policies")
            .await
            .json(),
        json!({
            "kind": "MeshGatewayDataplane",
            "gateway": { "mesh": "default", "name": "edge" },
            "listeners": [{ "port": 8080, "protocol": "HTTP", "hosts": [{ "hostName": "*", "routes": [
                { "route": "api", "destinations": [{ "tags": { "kuma.io/service": "api" }, "policies": {} }] },
            ] }] }],
        })
    );
    assert_eq!(
        served
            .get("/meshes/default/dataplanes/api-1/policies")
            .await
            .json()["kind"],
        "SidecarDataplane"
    );
    assert_eq!(
        served
            .get("/meshes/default/dataplanes/none/policies")
            .await
            .status,
        404
    );
}

fn timeout(name: &str, from: &str, to: &str) -> Value {
    json!({
        "type": "Timeout", "mesh": "default", "name": name,
        "sources": [{ "match": { "kuma.io/service": from } }],
        "destinations": [{ "match": { "kuma.io/service": to } }],
        "conf": { "connectTimeout": "3s" },
    })
}

#[tokio::test]
async fn policies_are_inspected_as_kumactl_asks() {
    let served = edge(zone("east")).await;
    served.seed(&timeout("all", "*", "*")).await;
    served.seed(&timeout("api", "edge-gateway", "api")).await;
    served.seed(&timeout("other", "other", "*")).await;
    let policies = served
        .get("/meshes/default/dataplanes/gw-east/policies")
        .await
        .json();
    let destination = &policies["listeners"][0]["hosts"][0]["routes"][0]["destinations"][0];
    assert_eq!(destination["policies"]["Timeout"]["name"], "api");
    assert_eq!(destination["policies"]["Timeout"]["type"], "Timeout");
    assert!(destination["policies"]["Timeout"].get("conf").is_none());

    let dataplanes = served.get("/meshes/default/timeouts/api/dataplanes").await;
    assert_eq!(
        dataplanes.json(),
        json!({ "total": 2, "items": [
            {
                "kind": "MeshGatewayDataplane",
                "dataplane": { "mesh": "default", "name": "gw-east" },
                "gateway": { "mesh": "default", "name": "edge" },
                "listeners": [{ "port": 8080, "protocol": "HTTP", "hosts": [{ "hostName": "*", "routes": [
                    { "route": "api", "destinations": [{ "kuma.io/service": "api" }] },
                ] }] }],
            },
            {
                "kind": "MeshGatewayDataplane",
                "dataplane": { "mesh": "default", "name": "gw-west" },
                "gateway": { "mesh": "default", "name": "edge" },
                "listeners": [{ "port": 8080, "protocol": "HTTP", "hosts": [{ "hostName": "*", "routes": [
                    { "route": "api", "destinations": [{ "kuma.io/service": "api" }] },
                ] }] }],
            },
        ] })
    );
    let unused = "/meshes/default/timeouts/all/dataplanes";
    assert_eq!(
        served.get(unused).await.json(),
        json!({ "total": 0, "items": [] })
    );
    let none = served.get("/meshes/default/timeouts/none/dataplanes").await;
    assert_eq!(none.status, 404);

    let of_route = "/meshes/default/meshgatewayroutes/api/dataplanes";
    let names: Vec<_> = served.get(of_route).await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["dataplane"]["name"].clone())
        .collect();
    assert_eq!(names, ["gw-east", "gw-west"]);
}

#[tokio::test]
async fn policies_of_delegated_gateways_are_inspected_too() {
    let served = edge(zone("east")).await;
    let networking = json!({
        "address": "10.0.0.9",
        "gateway": { "type": "DELEGATED", "tags": { "kuma.io/service": "nginx" } },
        "outbound": [{ "port": 10001, "tags": { "kuma.io/service": "api" } }],
    });
    served.seed(&dataplane("nginx-1", "east", networking)).await;
    served.seed(&timeout("nginx", "nginx", "api")).await;
    let attachment = json!({ "type": "outbound", "name": "127.0.0.1:10001", "service": "api" });
    let policies = served
        .get("/meshes/default/dataplanes/nginx-1/policies")
        .await
        .json();
    let item = &policies["items"][0];
    assert_eq!(policies["kind"], "SidecarDataplane");
    assert_eq!(item["name"], attachment["name"]);
    assert_eq!(item["matchedPolicies"]["Timeout"][0]["name"], "nginx");
    let dataplanes = served
        .get("/meshes/default/timeouts/nginx/dataplanes")
        .await;
    assert_eq!(
        dataplanes.json()["items"],
        json!([{
            "kind": "SidecarDataplane",
            "dataplane": { "mesh": "default", "name": "nginx-1" },
            "attachments": [attachment],
        }])
    );
}

#[tokio::test]
async fn a_zone_shows_what_an_instance_is_configured_with() {
    let served = edge(zone("east")).await;
    let config = served
        .get("/meshes/default/dataplanes/gw-east/_config")
        .await
        .json();
    assert_eq!(config["gateway"], "edge");
    assert_eq!(
        config["plan"][0]["hosts"][0]["routes"][0]["conditions"],
        "PREFIX /api"
    );
    let listeners = &config["resources"]["type.googleapis.com/envoy.config.listener.v3.Listener"];
    assert_eq!(listeners[0]["name"], "edge:HTTP:8080");
    assert!(listeners[0]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        served
            .get("/meshes/default/dataplanes/api-1/_config")
            .await
            .json()["type"],
        "STANDARD"
    );
    assert_eq!(
        served
            .get("/meshes/default/dataplanes/none/_config")
            .await
            .status,
        404
    );
    let global = edge(Role::Global)
        .await
        .get("/meshes/default/dataplanes/gw-east/_config")
        .await;
    assert_eq!(global.status, 404);
    assert!(global.text().contains("zone"), "{}", global.text());
}

#[tokio::test]
async fn a_zone_shows_what_a_delegated_gateway_is_configured_with() {
    let served = edge(zone("east")).await;
    let networking = json!({
        "address": "10.0.0.9",
        "gateway": { "tags": { "kuma.io/service": "nginx" } },
        "outbound": [{ "port": 10001, "tags": { "kuma.io/service": "api" } }],
    });
    served.seed(&dataplane("nginx-1", "east", networking)).await;
    let config = served
        .get("/meshes/default/dataplanes/nginx-1/_config")
        .await
        .json();
    assert_eq!(config["type"], "DELEGATED");
    assert!(config.get("plan").is_none(), "{config}");
    let listeners = &config["resources"]["type.googleapis.com/envoy.config.listener.v3.Listener"];
    assert_eq!(listeners[0]["name"], "outbound:127.0.0.1:10001");
}

#[tokio::test]
async fn certificates_are_told_by_name_and_never_shown() {
    let served = edge(zone("east")).await;
    let mut secret = json!({ "type": "Secret", "mesh": "default", "name": "a" });
    secret["data"] = "bm8gUEVNIGF0IGFsbA==".into();
    served.seed(&secret).await;
    let mut gateway = mesh_gateway("edge", 8080);
    gateway["conf"]["listeners"] = json!([{
        "port": 8443, "protocol": "HTTPS", "hostname": "a.test",
        "tls": { "mode": "TERMINATE", "certificates": [{ "secret": "a" }, { "secret": "b" }] },
    }]);
    served.seed(&gateway).await;
    let answer = served
        .get("/meshes/default/dataplanes/gw-east/_config")
        .await;
    let config = answer.json();
    let plan = &config["plan"][0];
    assert_eq!(
        (&plan["protocol"], &plan["sni"], &plan["tls"]),
        (
            &json!("HTTPS"),
            &json!("a.test"),
            &json!("TLS ends with secret a and secret b")
        )
    );
    let closed = plan["closed"].to_string();
    assert!(
        closed.contains("no Secret") && closed.contains("PEM"),
        "{closed}"
    );
    assert!(!answer.text().contains("bm8gUEVN") && !answer.text().contains("no PEM at all"));

    let warnings = served.get("/meshes/default/_lint").await.json();
    let messages: Vec<_> = warnings["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["message"].as_str().unwrap())
        .collect();
    assert!(
        messages.contains(&"connections to port 8443 for a.test are closed: the mesh has no Secret \"b\"; create it"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn policies_for_whole_proxies_are_inspected_as_kumactl_asks() {
    let served = edge(zone("east")).await;
    let any = json!([{ "match": { "kuma.io/service": "*" } }]);
    served
        .seed(&json!({ "type": "TrafficLog", "mesh": "default", "name": "log", "sources": any, "destinations": any }))
        .await;
    served
        .seed(&json!({ "type": "TrafficTrace", "mesh": "default", "name": "trace", "selectors": any }))
        .await;
    served
        .seed(
            &json!({ "type": "TrafficTrace", "mesh": "default", "name": "other",
            "selectors": [{ "match": { "kuma.io/service": "other", "x": "y" } }] }),
        )
        .await;
    let policies = served
        .get("/meshes/default/dataplanes/gw-east/policies")
        .await
        .json();
    assert_eq!(policies["policies"]["TrafficLog"]["name"], "log");
    assert_eq!(policies["policies"]["TrafficTrace"]["name"], "trace");

    let item = |name: &str| {
        json!({
            "kind": "MeshGatewayDataplane",
            "dataplane": { "mesh": "default", "name": name },
            "gateway": { "mesh": "default", "name": "edge" },
        })
    };
    for path in ["traffic-logs/log", "traffic-traces/trace"] {
        let dataplanes = served
            .get(&format!("/meshes/default/{path}/dataplanes"))
            .await;
        let both = json!({ "total": 2, "items": [item("gw-east"), item("gw-west")] });
        assert_eq!(dataplanes.json(), both, "{path}");
    }
    let other = served
        .get("/meshes/default/traffic-traces/other/dataplanes")
        .await;
    assert_eq!(other.json(), json!({ "total": 0, "items": [] }));

    let explained = served
        .get(&format!("{EXPLAIN}?host=foo.test&path=/api&zone=east"))
        .await
        .json();
    let told = &explained["answers"][0]["listener"]["policies"];
    assert_eq!(told[0]["type"], "TrafficLog");
    let why = "for proxies with kuma.io/service=*; without effect: it names no backend, and the mesh has no \
               logging.defaultBackend; set one of them";
    assert_eq!(told[0]["why"], why);
    assert_eq!(told[1]["name"], "trace");
}
