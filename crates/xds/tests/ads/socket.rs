//! A plain client over a real socket.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use portolan_proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, Node,
    aggregated_discovery_service_client::AggregatedDiscoveryServiceClient as Client,
};
use portolan_xds::{
    Resource, Resources, Snapshot,
    type_urls::{CLUSTER, LISTENER},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

use crate::control::{Control, Event};

fn cluster(version: &str, body: &'static [u8]) -> Resources {
    let resource = Resource {
        version: version.into(),
        body: Bytes::from_static(body),
    };
    [("a".into(), resource)].into()
}

fn clusters(watermark: u64, resources: Resources) -> Snapshot {
    Snapshot {
        watermark,
        types: [(CLUSTER, Arc::new(resources))].into(),
    }
}

fn node() -> Option<Node> {
    Some(Node {
        id: "default.gateway".to_owned(),
        ..Node::default()
    })
}

async fn client(control: &Control) -> Client<Channel> {
    Client::connect(format!("http://{}", control.address))
        .await
        .unwrap()
}

/// An incremental stream.
struct Delta {
    requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    async fn open(control: &Control, first: DeltaDiscoveryRequest) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::unbounded_channel();
        requests.send(first).unwrap();
        let stream = UnboundedReceiverStream::new(receiver);
        let responses = client(control)
            .await
            .delta_aggregated_resources(stream)
            .await?;
        Ok(Self {
            requests,
            responses: responses.into_inner(),
        })
    }

    fn ask(type_url: &str) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: node(),
            type_url: type_url.to_owned(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    async fn next(&mut self) -> Result<Option<DeltaDiscoveryResponse>, Status> {
        timeout(Duration::from_secs(5), self.responses.message())
            .await
            .expect("a message")
    }

    async fn acknowledge(&mut self) -> DeltaDiscoveryResponse {
        let response = self.next().await.unwrap().unwrap();
        let request = DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            ..Self::ask(&response.type_url)
        };
        self.requests.send(request).unwrap();
        response
    }
}

#[tokio::test]
async fn an_incremental_client_gets_changes_and_removals_only() {
    let control = Control::start().await;
    control.publish(clusters(1, cluster("v1", b"one")));
    let mut stream = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    let response = stream.acknowledge().await;
    let resource = &response.resources[0];
    assert_eq!(
        (resource.name.as_str(), resource.version.as_str()),
        ("a", "v1")
    );
    let any = resource.resource.as_ref().unwrap();
    assert_eq!((any.type_url.as_str(), &*any.value), (CLUSTER, &b"one"[..]));
    stream.requests.send(Delta::ask(LISTENER)).unwrap();
    assert_eq!(stream.acknowledge().await.type_url, LISTENER);
    control.serves(1).await;

    control.publish(clusters(2, Resources::new()));
    assert_eq!(stream.acknowledge().await.removed_resources, ["a"]);
    control.serves(2).await;
    drop(stream);
    control.saw(|event| *event == Event::Closed).await;
    let of = |type_url: &str| {
        [
            Event::Sent(type_url.to_owned()),
            Event::Acknowledged(type_url.to_owned()),
        ]
    };
    let mut expected = vec![Event::Connected("default.gateway".to_owned())];
    expected.extend(
        of(CLUSTER)
            .into_iter()
            .chain(of(LISTENER))
            .chain([Event::Serving(1)]),
    );
    expected.extend(
        of(CLUSTER)
            .into_iter()
            .chain([Event::Serving(2), Event::Closed]),
    );
    assert_eq!(control.log(), expected);
}

#[tokio::test]
async fn a_state_of_the_world_client_gets_everything_in_a_version_by_content() {
    let control = Control::start().await;
    let mut versions = Vec::new();
    for (watermark, version) in [(1, "v1"), (2, "v2"), (3, "v1")] {
        control.publish(clusters(watermark, cluster(version, b"one")));
        let (requests, receiver) = mpsc::unbounded_channel();
        let first = DiscoveryRequest {
            node: node(),
            type_url: CLUSTER.to_owned(),
            ..DiscoveryRequest::default()
        };
        requests.send(first).unwrap();
        let stream = UnboundedReceiverStream::new(receiver);
        let opened = client(&control)
            .await
            .stream_aggregated_resources(stream)
            .await;
        let response = opened
            .unwrap()
            .into_inner()
            .message()
            .await
            .unwrap()
            .unwrap();
        assert_eq!(response.resources.len(), 1);
        versions.push(response.version_info);
    }
    assert_eq!(versions[0], versions[2]);
    assert_ne!(versions[0], versions[1]);
}

#[tokio::test]
async fn who_does_not_say_who_it_is_or_is_not_welcome_is_turned_away() {
    let control = Control::start().await;
    let nameless = DeltaDiscoveryRequest {
        node: None,
        ..Delta::ask(CLUSTER)
    };
    let mut stream = Delta::open(&control, nameless).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let mut request = Request::new(tokio_stream::iter([Delta::ask(CLUSTER)]));
    request
        .metadata_mut()
        .insert("unwelcome", "yes".parse().unwrap());
    let opened = client(&control)
        .await
        .delta_aggregated_resources(request)
        .await;
    let refused = opened.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::PermissionDenied, "not you")
    );
    assert_eq!(control.log(), []);
}

#[tokio::test]
async fn nonsense_ends_the_stream_with_a_reason() {
    let control = Control::start().await;
    let mut stream = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    stream.requests.send(Delta::ask("")).unwrap();
    assert_eq!(
        stream.next().await.unwrap_err().code(),
        Code::InvalidArgument
    );
    control.saw(|event| *event == Event::Closed).await;

    let mut stream = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    for index in 0..100 {
        // The stream may have ended before all are sent.
        let _ = stream
            .requests
            .send(Delta::ask(&format!("example/{index}")));
    }
    assert_eq!(
        stream.next().await.unwrap_err().code(),
        Code::ResourceExhausted
    );
}

#[tokio::test]
async fn a_stream_that_is_let_go_says_so() {
    let control = Control::start().await;
    let mut stream = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    control
        .saw(|event| matches!(event, Event::Connected(_)))
        .await;
    control.let_go();
    assert_eq!(stream.next().await.unwrap_err().code(), Code::Aborted);
    control.saw(|event| *event == Event::Closed).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    static LARGE: [u8; 1 << 20] = [7; 1 << 20];
    let control = Control::start().await;
    control.publish(clusters(1, cluster("v1", &LARGE)));
    let _deaf = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    let mut stream = Delta::open(&control, Delta::ask(CLUSTER)).await.unwrap();
    for watermark in 2..20 {
        stream.acknowledge().await;
        let version = watermark.to_string();
        control.publish(clusters(watermark, cluster(&version, &LARGE)));
    }
    let last = stream.acknowledge().await;
    assert_eq!(last.resources[0].version, "19");
}
