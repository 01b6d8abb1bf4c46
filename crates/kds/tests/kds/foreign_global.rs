//! Globals that are played by the test: what a zone asks of them.

use std::{collections::BTreeSet, pin::Pin, sync::Mutex};

use futures::{Stream, stream};
use portolan_model::{Kind, kinds};
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    mesh::kds_sync_service_server::{KdsSyncService, KdsSyncServiceServer},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use crate::support::{LIMIT, store, zone};

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers every kind empty, and passes on what it is asked.
struct Global {
    /// What it puts into its responses; Kuma's are empty.
    progress: &'static str,
    heard: Mutex<Option<mpsc::Sender<DeltaDiscoveryRequest>>>,
}

#[tonic::async_trait]
impl KdsSyncService for Global {
    type GlobalToZoneSyncStream = Boxed<DeltaDiscoveryResponse>;
    type ZoneToGlobalSyncStream = Boxed<DeltaDiscoveryRequest>;

    async fn global_to_zone_sync(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::GlobalToZoneSyncStream>, Status> {
        let (responses, receiver) = mpsc::channel(64);
        let heard = self.heard.lock().unwrap().take().unwrap();
        let progress = self.progress;
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                if request.response_nonce.is_empty() {
                    let response = DeltaDiscoveryResponse {
                        type_url: request.type_url.clone(),
                        nonce: request.type_url.clone(),
                        system_version_info: progress.to_owned(),
                        ..DeltaDiscoveryResponse::default()
                    };
                    responses.send(Ok(response)).await.unwrap();
                }
                heard.send(request).await.unwrap();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn zone_to_global_sync(
        &self,
        _: Request<Streaming<DeltaDiscoveryResponse>>,
    ) -> Result<Response<Self::ZoneToGlobalSyncStream>, Status> {
        Ok(Response::new(Box::pin(stream::pending())))
    }
}

/// The kinds that a zone has asked for, once it has acknowledged all of `until`.
async fn asked(progress: &'static str, until: &BTreeSet<String>) -> BTreeSet<String> {
    let (heard, mut requests) = mpsc::channel(64);
    let global = Global {
        progress,
        heard: Mutex::new(Some(heard)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tonic::transport::Server::builder()
        .add_service(
            KdsSyncServiceServer::new(global)
                .accept_compressed(tonic::codec::CompressionEncoding::Gzip),
        )
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let _zone = zone("zone-1", &[address], store());
    let (mut asked, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    while !until.is_subset(&acknowledged) {
        let request = tokio::time::timeout(LIMIT, requests.recv())
            .await
            .unwrap()
            .unwrap();
        if request.response_nonce.is_empty() {
            asked.insert(request.type_url);
        } else {
            acknowledged.insert(request.type_url);
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_of_kumas_is_not_asked_for_our_own_kinds() {
    let names = |own: bool| -> BTreeSet<String> {
        let kinds = Kind::all().filter(|kind| kind.direction.to_zone() && (own || !kind.is_own()));
        kinds.map(|kind| kind.name().to_owned()).collect()
    };
    let own = kinds::MESH_GATEWAY_INSTANCE.name();
    assert!(names(true).contains(own) && !names(false).contains(own));
    // Whether there is more to ask is decided by the first response, and all of these are answered.
    assert_eq!(asked("", &names(false)).await, names(false));
    assert_eq!(asked("list:0:store/kinds", &names(true)).await, names(true));
}
