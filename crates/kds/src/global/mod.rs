//! The global's side: streams of zones.

mod insights;
mod leftovers;
mod registry;
mod services;
mod sync;

use std::{sync::Arc, time::Duration};

use portolan_model::{Labels, ResourceKey, kinds};
use portolan_proto::{
    mesh::{
        global_kds_service_server::GlobalKdsServiceServer,
        kds_sync_service_server::KdsSyncServiceServer,
    },
    status::status_service_server::StatusServiceServer,
};
use portolan_store::{Expect, Store, StoreError, Write};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use registry::{Counts, ZoneState, Zones};

use crate::{encode::Encoder, names::Side};
use registry::Registry;

/// Decides whether a peer is the zone that it says it is: gets the zone's name and the token that it showed,
/// and says why it is refused.
pub type Admit = Arc<dyn Fn(&str, Option<&str>) -> Result<(), String> + Send + Sync>;

/// What a global needs to serve its zones.
#[derive(Clone)]
pub struct GlobalConfig {
    /// Identity of this process, for the insights.
    pub instance_id: String,
    /// What zones get, and where what they send goes.
    pub store: Arc<dyn Store>,
    /// Asked whenever a zone opens a stream.
    pub admit: Admit,
    /// Largest message in bytes, each way. Kuma's default is 10 MiB.
    pub max_message_bytes: usize,
    /// How long a zone waits between two health checks.
    pub health_check_interval: Duration,
}

impl GlobalConfig {
    /// With the usual limits, for zones that `admit` lets in.
    pub fn new(instance_id: String, store: Arc<dyn Store>, admit: Admit) -> Self {
        Self {
            instance_id,
            store,
            admit,
            max_message_bytes: 10 * 1024 * 1024,
            health_check_interval: Duration::from_secs(300),
        }
    }
}

/// The KDS services of a global.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all streams share.
struct Shared {
    config: GlobalConfig,
    encoder: Arc<Encoder>,
    registry: Registry,
    cancel: CancellationToken,
}

impl Server {
    /// Serves until cancelled. Starts the task that keeps ZoneInsights up to date.
    pub fn new(config: GlobalConfig, cancel: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            config,
            encoder: Encoder::new(Side::Global),
            registry: Registry::default(),
            cancel,
        });
        tokio::spawn(insights::run(Arc::clone(&shared)));
        Self { shared }
    }

    /// The zones that are, or were, connected to this process.
    pub fn zones(&self) -> watch::Receiver<Zones> {
        self.shared.registry.watch()
    }

    /// The responses to zones since the process started, on streams that are closed too.
    pub fn responses(&self) -> Counts {
        self.shared.registry.responses()
    }

    /// The gRPC services.
    pub fn into_routes(self) -> Routes {
        let most = self.shared.config.max_message_bytes;
        let gzip = tonic::codec::CompressionEncoding::Gzip;
        Routes::new(
            KdsSyncServiceServer::new(self.clone())
                .accept_compressed(gzip)
                .max_decoding_message_size(most)
                .max_encoding_message_size(most),
        )
        .add_service(GlobalKdsServiceServer::new(self.clone()).accept_compressed(gzip))
        .add_service(StatusServiceServer::new(self))
    }
}

impl Shared {
    /// Makes the Zone resource of a zone that connects for the first time.
    async fn ensure_zone(&self, zone: &str) -> Result<(), StoreError> {
        let key = ResourceKey::global(kinds::ZONE, zone);
        if self.config.store.index().snapshot().get(&key).is_some() {
            return Ok(());
        }
        let spec = portolan_model::proto::system::Zone {
            enabled: Some(true.into()),
        };
        let spec = prost::Message::encode_to_vec(&spec).into();
        let write = Write::Put {
            key,
            labels: Labels::new(),
            spec,
            expect: Expect::Absent,
            created: None,
        };
        match self.config.store.commit(write.into()).await {
            // Another stream of the zone was faster.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
