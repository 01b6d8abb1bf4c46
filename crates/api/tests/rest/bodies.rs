//! Bodies of all sizes and formats.

use std::convert::Infallible;

use crate::support::{mesh_gateway, serve, serve_with};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use portolan_api::{Api, Role};
use serde_json::json;

const EDGE: &str = "/meshes/default/meshgateways/edge";
const YAML: (&str, &str) = ("content-type", "application/yaml");

/// A body without a length, in pieces of 64 KiB.
fn streamed(bytes: usize) -> Body {
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    let pieces = (0..bytes / piece.len()).map(move |_| Ok::<_, Infallible>(piece.clone()));
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let served = serve(Role::Global).await;
    let large = vec![b' '; 20 << 20];
    let length = large.len().to_string();
    let answers = [
        served
            .send("PUT", EDGE, &[("content-length", &length)], large)
            .await,
        served.send("PUT", EDGE, &[], streamed(20 << 20)).await,
        served
            .send("PUT", EDGE, &[("content-length", "99999999999")], "")
            .await,
        served
            .send("POST", "/_apply", &[], streamed(20 << 20))
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 413);
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains("send less at a time")
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_consent_is_refused_before_it_sends() {
    let served = serve_with(|api| Api {
        max_body_bytes: 10,
        ..api
    })
    .await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let headers = [("expect", "100-continue"), ("content-length", "11")];
    assert_eq!(served.send("PUT", EDGE, &headers, never).await.status, 413);
}

#[tokio::test]
async fn a_body_in_pieces_is_joined() {
    let served = serve(Role::Global).await;
    let text = mesh_gateway("edge", 8080).to_string();
    let (first, second) = text.split_at(20);
    let pieces = [first.to_owned(), second.to_owned()].map(Ok::<_, Infallible>);
    let body = Body::from_stream(stream::iter(pieces));
    assert_eq!(served.send("PUT", EDGE, &[], body).await.status, 201);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let served = serve(Role::Global).await;
    let broken = Body::from_stream(stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("gone")),
    ]));
    assert_eq!(served.send("PUT", EDGE, &[], broken).await.status, 400);
}

#[tokio::test]
async fn a_name_of_a_megabyte_is_refused() {
    let served = serve(Role::Global).await;
    let mut resource = mesh_gateway("edge", 8080);
    resource["name"] = json!("a".repeat(1 << 20));
    let answer = served.put(EDGE, &resource).await;
    assert_eq!(answer.status, 400);
    let fields = answer.json()["invalid_parameters"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(fields, 2, "name differs, and is too long");
}

#[tokio::test]
async fn yaml_is_taken() {
    let served = serve(Role::Global).await;
    let yaml = "
type: MeshGateway
mesh: default
name: edge
selectors:
- match:
    kuma.io/service: edge-gateway
conf:
  listeners:
  - {port: 8080, protocol: HTTP}
";
    assert_eq!(served.send("PUT", EDGE, &[YAML], yaml).await.status, 201);
    let two = format!("{yaml}---\n---\ntype: Mesh\nname: m2\n");
    let applied = served.send("POST", "/_apply", &[YAML], two).await;
    assert_eq!(applied.json()["results"][0]["outcome"], "unchanged");
    assert_eq!(applied.json()["results"][1]["outcome"], "created");
}

#[tokio::test]
async fn broken_yaml_is_refused() {
    let served = serve(Role::Global).await;
    let answer = served.send("PUT", EDGE, &[YAML], "a: [").await;
    assert_eq!(answer.status, 400);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("invalid MeshGateway object: \""),
        "{detail}"
    );
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &('b'..='i')
            .map(|name| {
                let before = char::from(name as u8 - 1);
                let repeated = vec![format!("*{before}"); 9].join(",");
                format!("{name}: &{name} [{repeated}]\n")
            })
            .collect::<String>();
    assert_eq!(served.send("PUT", EDGE, &[YAML], bomb).await.status, 400);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_path() {
    let served = serve(Role::Global).await;
    for (listener, path) in [
        (r#"{"port":"many"}"#, "conf.listeners[1].port"),
        (r#"{"port":-1}"#, "conf.listeners[1].port"),
        (r#"{"protocol":"SMOKE"}"#, "conf.listeners[1].protocol"),
        (r#"{"hostname":7}"#, "conf.listeners[1].hostname"),
        (r#"{"tls":[]}"#, "conf.listeners[1].tls"),
    ] {
        let body = format!(
            r#"{{"type":"MeshGateway","mesh":"default","name":"edge",
                "conf":{{"listeners":[{{"port":80}},{listener}]}}}}"#
        );
        let answer = served.send("PUT", EDGE, &[], body).await;
        assert_eq!(answer.status, 400);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let expected = format!("invalid MeshGateway object: \"{path}: ");
        assert!(detail.starts_with(&expected), "{detail}");
    }
}

#[tokio::test]
async fn a_zone_writes_its_name_into_the_tags_of_dataplanes() {
    let zone = serve(Role::Zone {
        name: "zone-1".to_owned(),
    })
    .await;
    const DATAPLANE: &str = "/meshes/default/dataplanes/api-1";
    let body = json!({
        "type": "Dataplane", "mesh": "default", "name": "api-1",
        "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": 80, "tags": { "kuma.io/service": "api", "kuma.io/zone": "other" } }],
        },
    });
    let put = zone.send("PUT", DATAPLANE, &[], body.to_string()).await;
    assert_eq!(put.status, 201);
    let written = zone.send("GET", DATAPLANE, &[], "").await.json();
    let tags = &written["networking"]["inbound"][0]["tags"];
    assert_eq!(tags["kuma.io/zone"], "zone-1");
}
