//! Data plane tokens: no proxy gets a bootstrap or a stream without one that is good, and its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use jsonwebtoken::{Algorithm, EncodingKey};
use portolan_proto::{
    discovery::{
        DeltaDiscoveryRequest, Node,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
    well_known::{Struct, Value as Field, value::Kind},
};
use portolan_sandbox::{GlobalOptions, Http, Zone, ZoneOptions, until};
use serde_json::{Value, json};
use support::tokens::{assert_nowhere, forge, revoke, seconds, signature, signing_key, unsigned};
use support::{LIMIT, sandbox};
use tokio_stream::StreamExt;
use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

const MESH_KEY: &str = "/meshes/default/secrets/dataplane-token-signing-key-default-1";
const REVOCATIONS: &str = "/meshes/default/secrets/dataplane-token-revocations-default";

/// The Dataplane that every proxy here says it is.
const DATAPLANE: &str = r#"
type: Dataplane
mesh: default
name: gw
networking:
  address: 127.0.0.1
  gateway:
    type: BUILTIN
    tags:
      kuma.io/service: edge
"#;

/// A proxy that is no Envoy.
struct Proxy {
    http: reqwest::Client,
    url: String,
    channel: Channel,
}

impl Proxy {
    fn of(zone: &Zone) -> Self {
        let ca = fs::read(zone.ca()).unwrap();
        let root = reqwest::Certificate::from_pem(&ca).unwrap();
        let http = reqwest::Client::builder()
            .add_root_certificate(root)
            .build();
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Endpoint::from_shared(zone.data_plane_url.clone()).unwrap();
        Self {
            http: http.unwrap(),
            url: format!("{}/bootstrap", zone.data_plane_url),
            channel: endpoint.tls_config(tls).unwrap().connect_lazy(),
        }
    }

    /// Status and text of the answer to `POST /bootstrap`.
    async fn bootstrap(&self, token: &str) -> (u16, String) {
        let request = json!({
            "mesh": "default", "name": "gw", "dataplaneToken": token, "dataplaneResource": DATAPLANE,
        });
        let answer = self
            .http
            .post(&self.url)
            .json(&request)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The first answer on a stream, or why there is none.
    async fn stream(&self, token: &str) -> Result<(), tonic::Status> {
        let text = Field {
            kind: Some(Kind::StringValue(DATAPLANE.to_owned())),
        };
        let node = Node {
            id: "default.gw".to_owned(),
            metadata: Some(Struct {
                fields: [("dataplane.resource".to_owned(), text)].into(),
            }),
            ..Node::default()
        };
        let first = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        let mut request = Request::new(tokio_stream::once(first).chain(tokio_stream::pending()));
        if !token.is_empty() {
            request
                .metadata_mut()
                .insert("authorization", token.parse().unwrap());
        }
        let mut client = AggregatedDiscoveryServiceClient::new(self.channel.clone());
        let mut answers = client
            .delta_aggregated_resources(request)
            .await?
            .into_inner();
        answers.message().await.map(drop)
    }

    /// Refused by both, for a reason with this text.
    async fn assert_refused(&self, what: &str, token: &str, expected: &str) {
        let (status, text) = self.bootstrap(token).await;
        assert!([401, 403, 422].contains(&status), "{what}: {status} {text}");
        let text = if token.is_empty() {
            "is required"
        } else {
            &text
        };
        assert!(
            token.is_empty() || text.contains(expected),
            "{what}: {text}"
        );
        let refused = self.stream(token).await.expect_err(what);
        assert!(refused.message().contains(expected), "{what}: {refused}");
    }

    async fn assert_let_in(&self, what: &str, token: &str) {
        let (status, text) = self.bootstrap(token).await;
        assert_eq!(status, 200, "{what}: {text}");
        self.stream(token).await.expect(what);
    }
}

async fn issue(http: &Http, request: Value) -> String {
    let token = http.post("/tokens/dataplane", &request).await.unwrap();
    token.as_str().unwrap().to_owned()
}

async fn dataplane_of(zone: &Zone) -> Option<Value> {
    zone.http.get("/meshes/default/dataplanes/gw").await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_needs_a_token_of_its_own() {
    let sandbox = sandbox();
    let log = || "trace".to_owned();
    let options = GlobalOptions {
        log: log(),
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&options).await.unwrap();
    let options = ZoneOptions {
        log: log(),
        ..ZoneOptions::default()
    };
    let zone = sandbox.zone("zone-1", &[&global], &options).await.unwrap();
    let shop = json!({ "type": "Mesh", "name": "shop" });
    global.http.put("/meshes/shop", &shop).await.unwrap();
    let proxy = Proxy::of(&zone);

    let good = issue(&global.http, json!({ "mesh": "default", "name": "gw" })).await;
    // The zone is told of the key, and until then says that it cannot tell.
    until("the zone having the key", LIMIT, async || {
        (proxy.bootstrap(&good).await.0 == 200).then_some(())
    })
    .await
    .unwrap();
    zone.token("shop", "").await.unwrap();

    let pem = signing_key(&global.http, MESH_KEY).await;
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let foreign = signing_key(&global.http, "/global-secrets/zone-token-signing-key-1").await;
    let foreign = EncodingKey::from_rsa_pem(foreign.as_bytes()).unwrap();
    let claims = json!({ "Name": "gw", "Mesh": "default", "Tags": {}, "Type": "dataplane" });
    let with = |more: Value| {
        let mut claims = claims.clone();
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        forge(Algorithm::RS256, "1", &key, &claims)
    };
    let rs256 = Algorithm::RS256;
    let for_others = |request: Value| issue(&global.http, request);
    let service = |name: &str| json!({ "kuma.io/service": [name] });
    let refused = [
        ("no token", String::new(), "not a data plane token"),
        (
            "no token at all",
            "hunter2".to_owned(),
            "not a data plane token",
        ),
        (
            "another name",
            for_others(json!({ "mesh": "default", "name": "gw-2" })).await,
            "its token is for \"gw-2\"",
        ),
        (
            "another mesh",
            for_others(json!({ "mesh": "shop", "name": "gw" })).await,
            "signature is wrong",
        ),
        (
            "another mesh, this key",
            with(json!({ "Mesh": "shop" })),
            "its token is for \"shop\"",
        ),
        (
            "another service",
            for_others(json!({ "mesh": "default", "tags": service("db") })).await,
            "has the value \"edge\"",
        ),
        (
            "a tag more",
            for_others(json!({ "mesh": "default", "tags": { "team": ["a"] } })).await,
            "no tag \"team\"",
        ),
        (
            "another type",
            for_others(json!({ "mesh": "default", "type": "ingress" })).await,
            "its token is for \"ingress\"",
        ),
        (
            "another workload",
            for_others(json!({ "mesh": "default", "workload": "w" })).await,
            "its token is for \"w\"",
        ),
        (
            "expired",
            with(json!({ "exp": seconds(-1) })),
            "has expired on",
        ),
        (
            "not yet valid",
            with(json!({ "nbf": seconds(600) })),
            "valid only from",
        ),
        (
            "another key",
            forge(rs256, "1", &foreign, &claims),
            "signature is wrong",
        ),
        (
            "a key that is not there",
            forge(rs256, "2", &key, &claims),
            "no signing key with id \"2\"",
        ),
        (
            "the secret of another mesh as key",
            forge(rs256, "default-1", &key, &claims),
            "no signing key with id \"default-1\"",
        ),
        (
            "HS256 with the public text as key",
            forge(
                Algorithm::HS256,
                "1",
                &EncodingKey::from_secret(b"1"),
                &claims,
            ),
            "another algorithm than RS256",
        ),
        (
            "RS512",
            forge(Algorithm::RS512, "1", &key, &claims),
            "another algorithm than RS256",
        ),
        ("alg none", unsigned(&good), "unknown variant `none`"),
        (
            "a zone's token",
            global.zone_token("zone-1").await.unwrap(),
            "signature is wrong",
        ),
    ];
    for (what, token, expected) in &refused {
        proxy.assert_refused(what, token, expected).await;
        assert!(
            dataplane_of(&zone).await.is_none(),
            "{what} registered a Dataplane"
        );
    }

    proxy.assert_let_in("its name", &good).await;
    assert!(dataplane_of(&zone).await.is_some());
    let by_service = json!({ "mesh": "default", "tags": service("edge") });
    for http in [&global.http, &zone.http] {
        let token = issue(http, by_service.clone()).await;
        proxy.assert_let_in("its service", &token).await;
    }

    revoke(&global.http, REVOCATIONS, &[&good]).await;
    until("the revoked token being refused", LIMIT, async || {
        (proxy.bootstrap(&good).await.0 == 401).then_some(())
    })
    .await
    .unwrap();
    proxy
        .assert_refused("revoked", &good, "has been revoked")
        .await;

    let logs = ["global.log", "zone-1.log"].map(|name| sandbox.folder().join(name));
    let mut texts: Vec<_> = refused
        .iter()
        .map(|(_, token, _)| signature(token))
        .collect();
    texts.retain(|text| text.len() > 20);
    texts.push(signature(&good));
    texts.extend(pem.lines().skip(1).take(2));
    assert_nowhere(&logs, &texts);
    for path in [
        "/meshes/default/dataplanes+insights",
        "/meshes/default/dataplane-insights",
    ] {
        for http in [&zone.http, &global.http] {
            let told = http.get(path).await.unwrap().to_string();
            assert!(!told.contains(signature(&good)), "{path} tells tokens");
        }
    }
}
