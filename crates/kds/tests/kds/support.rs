//! A global that listens, zones that follow it, and what is in their stores.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portolan_kds::{
    global::{Admit, GlobalConfig, Server, Zones},
    zone::{self, Keepalive, ZoneConfig},
};
use portolan_model::{Labels, ResourceKey, kinds};
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node},
    mesh::kds_sync_service_client::KdsSyncServiceClient,
    status::ZoneStatus,
};
use portolan_store::{Batch, Expect, Snapshot, Store, Write, memory};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Streaming};

/// Longest time that a condition may take; far more than any needs.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn store() -> Arc<dyn Store> {
    memory::new(CancellationToken::new())
}

/// A global; it ends with the value.
pub struct Global {
    pub store: Arc<dyn Store>,
    pub address: SocketAddr,
    pub zones: watch::Receiver<Zones>,
    _stop: DropGuard,
}

/// Serves a store on a free port.
pub async fn serve(instance: &str, store: Arc<dyn Store>) -> Global {
    serve_admitted(instance, store, Arc::new(|_, _| Ok(()))).await
}

/// The same for zones that `admit` lets in.
pub async fn serve_admitted(instance: &str, store: Arc<dyn Store>, admit: Admit) -> Global {
    let cancel = CancellationToken::new();
    let config = GlobalConfig::new(instance.to_owned(), Arc::clone(&store), admit);
    let server = Server::new(config, cancel.clone());
    let zones = server.zones();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopped = cancel.clone().cancelled_owned();
    let serving = tonic::transport::Server::builder()
        .add_routes(server.into_routes())
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
    tokio::spawn(serving);
    Global {
        store,
        address,
        zones,
        _stop: cancel.drop_guard(),
    }
}

/// A zone as the runner serves it; it ends with the value.
pub struct Zone {
    pub store: Arc<dyn Store>,
    /// What it reports of its proxies; without it, the zone is stopping.
    _proxies: watch::Sender<ZoneStatus>,
    _stop: DropGuard,
}

/// Follows the first address that answers.
pub fn zone(name: &str, globals: &[SocketAddr], store: Arc<dyn Store>) -> Zone {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let (proxies, status) = watch::channel(Default::default());
    let config = ZoneConfig {
        zone: name.to_owned(),
        globals: globals.iter().map(|it| format!("grpc://{it}")).collect(),
        tls: Arc::new(tls),
        token_file: None,
        instance_id: format!("{name}-process"),
        store: Arc::clone(&store),
        status,
        connected: watch::Sender::new(false),
        max_message_bytes: 10 * 1024 * 1024,
        keepalive: Keepalive {
            interval: Duration::from_millis(100),
            timeout: Duration::from_millis(200),
        },
    };
    let cancel = CancellationToken::new();
    tokio::spawn(zone::run(config, cancel.clone()));
    Zone {
        store,
        _proxies: proxies,
        _stop: cancel.drop_guard(),
    }
}

/// The stream of a zone that the test itself plays: it asks for routes, and has heard nothing yet.
pub async fn open(
    address: SocketAddr,
    zone: &str,
) -> (
    mpsc::Sender<DeltaDiscoveryRequest>,
    Streaming<DeltaDiscoveryResponse>,
) {
    let url = format!("http://{address}");
    let mut client = KdsSyncServiceClient::connect(url).await.unwrap();
    let (requests, outgoing) = mpsc::channel(4);
    let ask = DeltaDiscoveryRequest {
        node: Some(Node {
            id: zone.to_owned(),
            ..Node::default()
        }),
        type_url: "MeshGatewayRoute".to_owned(),
        resource_names_subscribe: vec!["*".to_owned()],
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(ask).await.unwrap();
    let mut call = Request::new(ReceiverStream::new(outgoing));
    let name = zone.parse().unwrap();
    call.metadata_mut().insert("client-id", name);
    let responses = client.global_to_zone_sync(call).await.unwrap();
    (requests, responses.into_inner())
}

/// The acknowledgement of a response.
pub fn acknowledge(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

pub fn route(name: &str) -> ResourceKey {
    ResourceKey::in_mesh(kinds::MESH_GATEWAY_ROUTE, "default", name)
}

pub async fn put(store: &Arc<dyn Store>, keys: impl IntoIterator<Item = ResourceKey>) {
    let put = |key| Write::Put {
        key,
        labels: Labels::new(),
        spec: Default::default(),
        expect: Expect::Any,
        created: None,
    };
    commit(store, keys.into_iter().map(put).collect()).await;
}

pub async fn delete(store: &Arc<dyn Store>, key: ResourceKey) {
    let expect = Expect::Any;
    commit(store, vec![Write::Delete { key, expect }]).await;
}

async fn commit(store: &Arc<dyn Store>, writes: Vec<Write>) {
    let batch = Batch {
        writes,
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
}

/// Waits until a store's content is as it should be.
pub async fn until(store: &Arc<dyn Store>, mut holds: impl FnMut(&Snapshot) -> bool) {
    let mut index = store.index().subscribe();
    let waited = tokio::time::timeout(LIMIT, index.wait_for(|snapshot| holds(snapshot)));
    waited.await.expect("in time").unwrap();
}

/// Names that authors gave to the resources of a kind.
pub fn names(snapshot: &Snapshot, kind: portolan_model::Kind) -> Vec<String> {
    let names = snapshot.list(kind, None);
    names.map(|one| one.display_name().to_owned()).collect()
}
