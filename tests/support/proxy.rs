//! A proxy that is no Envoy, and may be nobody.

#![allow(clippy::expect_used)] // Tests may panic.

use std::fs;

use portolan_proto::{
    discovery::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
    well_known::{Struct, Value as Field, value::Kind},
};
use portolan_sandbox::Zone;
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

/// Type of clusters.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Type of certificates.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A proxy that says it is one of a Dataplane.
#[derive(Clone)]
pub struct Proxy {
    http: reqwest::Client,
    url: String,
    channel: Channel,
    /// `MESH.NAME`.
    node: String,
    dataplane: String,
}

impl Proxy {
    /// The one of the Dataplane in this YAML.
    pub fn of(zone: &Zone, dataplane: &str) -> Self {
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
            node: node(dataplane),
            dataplane: dataplane.to_owned(),
        }
    }

    /// Status and text of the answer to `POST /bootstrap`.
    pub async fn bootstrap(&self, token: &str) -> (u16, String) {
        let (mesh, name) = self.node.split_once('.').unwrap();
        let request = json!({
            "mesh": mesh, "name": name, "dataplaneToken": token, "dataplaneResource": self.dataplane,
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

    /// The first answer on a stream that asks for resources of this type, or why there is none.
    pub async fn stream(
        &self,
        token: &str,
        type_url: &str,
    ) -> Result<DeltaDiscoveryResponse, tonic::Status> {
        let text = Field {
            kind: Some(Kind::StringValue(self.dataplane.clone())),
        };
        let node = Node {
            id: self.node.clone(),
            metadata: Some(Struct {
                fields: [("dataplane.resource".to_owned(), text)].into(),
            }),
            ..Node::default()
        };
        let first = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: type_url.to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
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
        let answer = answers.message().await?;
        answer.ok_or_else(|| tonic::Status::unavailable("the stream ended"))
    }

    /// Refused by both, for a reason with this text.
    pub async fn assert_refused(&self, what: &str, token: &str, expected: &str) {
        let (status, text) = self.bootstrap(token).await;
        assert!(
            [401, 403, 409, 422].contains(&status),
            "{what}: {status} {text}"
        );
        let text = if token.is_empty() {
            "is required"
        } else {
            &text
        };
        assert!(
            token.is_empty() || text.contains(expected),
            "{what}: {text}"
        );
        let refused = self.stream(token, CLUSTER).await.expect_err(what);
        assert!(refused.message().contains(expected), "{what}: {refused}");
    }

    pub async fn assert_let_in(&self, what: &str, token: &str) {
        let (status, text) = self.bootstrap(token).await;
        assert_eq!(status, 200, "{what}: {text}");
        self.stream(token, CLUSTER).await.expect(what);
    }
}

/// `MESH.NAME` of a Dataplane.
fn node(dataplane: &str) -> String {
    let field = |name: &str| {
        let mut lines = dataplane.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap().to_owned()
    };
    format!("{}.{}", field("mesh"), field("name"))
}
