//! Gateway instances that the zone spreads over its pools (`portolan dp pool`).
//!
//! ```text
//!   MeshGatewayInstances ─▶ scaler ─ assignment ─▶ roster ─ share ─▶ service ─▶ pool
//!                             ▲ │                    ▲                 │
//!                             │ └─▶ counts ─▶ report └──── status ◀────┘
//!                             └── pools that came, went, or told something new
//! ```
//!
//! Nothing of it is written down: what is wanted is on the zone's disk, what runs the pools tell when they
//! join. So a zone that starts again waits for them before it assigns anything.

mod assignment;
mod plan;
mod roster;
mod scaler;
mod service;

use std::{sync::Arc, time::Duration};

use portolan_proto::status::{ScaledGateway, pool_service_server::PoolServiceServer};
use portolan_store::Index;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use roster::Roster;
use service::Service;

/// How long a pool may be away before others take over its share.
const GRACE: Duration = Duration::from_secs(1);

/// How long a zone that has started waits for its pools, which may be between two attempts to connect.
const SETTLING: Duration = Duration::from_secs(2);

/// The zone's side of all its pools.
pub(super) struct Pools {
    roster: Arc<Roster>,
    scaled: watch::Sender<Vec<ScaledGateway>>,
}

impl Pools {
    /// No pool yet.
    pub(super) fn new() -> Self {
        Self {
            roster: Roster::new(),
            scaled: watch::Sender::default(),
        }
    }

    /// How far the zone is with each MeshGatewayInstance.
    pub(super) fn scaled(&self) -> watch::Receiver<Vec<ScaledGateway>> {
        self.scaled.subscribe()
    }

    /// What pools connect to.
    pub(super) fn service(
        &self,
        admission: Admission,
        cancel: CancellationToken,
    ) -> PoolServiceServer<impl portolan_proto::status::pool_service_server::PoolService> {
        PoolServiceServer::new(Service::new(Arc::clone(&self.roster), admission, cancel))
    }

    /// Assigns until cancelled.
    pub(super) async fn run(self, zone: String, index: Arc<Index>, cancel: CancellationToken) {
        scaler::run(&zone, index, &self.roster, &self.scaled, cancel).await;
    }
}
