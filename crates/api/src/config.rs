//! What the API is made of.

use std::{sync::Arc, time::Duration};

use portolan_access::Tokens;
use portolan_model::{
    Direction, Kind,
    kinds::{GLOBAL_SECRET, global_secret},
};
use portolan_store::Store;
use tokio::sync::watch;

use crate::{gateways::GatewayCharts, status::Status};

/// The control plane that an API belongs to. `..Api::new(store)` fills in what a caller leaves open.
#[derive(Clone)]
pub struct Api {
    /// Where resources are read and written.
    pub store: Arc<dyn Store>,
    /// What may be written here, and how it is labelled.
    pub role: Role,
    /// The process, as `GET /` shows it.
    pub instance: Instance,
    /// What `GET /_status` shows.
    pub status: watch::Receiver<Arc<Status>>,
    /// Whether who asks from the machine itself, without a token, is an administrator.
    pub localhost_is_admin: bool,
    /// What is known of gateways, for the views of them and the warnings of writes.
    pub gateways: Arc<GatewayCharts>,
    /// Whether the answer to a write warns of what the resource will not do.
    pub lint_writes: bool,
    /// Issues the tokens of `POST /tokens/…`, and verifies those that users show.
    pub tokens: Arc<Tokens>,
    /// Largest body of one resource, in bytes.
    pub max_body_bytes: usize,
    /// Largest body of `POST /_apply`, in bytes.
    pub max_apply_bytes: usize,
    /// How long a request may take until its answer begins.
    pub timeout: Duration,
}

impl Api {
    /// The API of a global over `store`, without status or identity, and with the usual limits.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let cluster_id = store.index().snapshot().store_id().to_owned();
        let tokens = Arc::new(Tokens::of_global(Arc::clone(&store)));
        Self {
            store,
            role: Role::Global,
            instance: Instance {
                cluster_id,
                ..Instance::default()
            },
            status: watch::channel(Arc::default()).1,
            localhost_is_admin: true,
            gateways: Arc::default(),
            lint_writes: true,
            tokens,
            max_body_bytes: 4 * 1024 * 1024,
            max_apply_bytes: 16 * 1024 * 1024,
            timeout: Duration::from_secs(30),
        }
    }
}

/// One process of a control plane.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    /// New with each start.
    pub id: String,
    /// The machine that it runs on.
    pub hostname: String,
    /// Identity of the store, shared by all replicas on it.
    pub cluster_id: String,
    /// Version of Portolan.
    pub version: String,
}

/// On which side of the sync an API stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The source of what zones get.
    Global,
    /// A zone of a global.
    Zone {
        /// Its name.
        name: String,
    },
}

impl Role {
    /// Whether users may write resources of `kind` here: what the other side owns may not be written,
    /// nor what control planes alone write. See also [`Role::keeps`].
    pub fn owns(&self, kind: Kind) -> bool {
        let foreign = match self {
            Self::Global => matches!(
                kind.direction,
                Direction::ZoneToGlobal | Direction::AcrossZones
            ),
            Self::Zone { .. } => kind.direction == Direction::GlobalToZone,
        };
        !kind.read_only && !foreign
    }

    /// Whether users may write the resource of this name here: beside what the side [owns](Role::owns), a zone
    /// keeps those GlobalSecrets of its own that no global sends, such as keys of user tokens.
    pub fn keeps(&self, kind: Kind, name: &str) -> bool {
        self.owns(kind) || (kind == GLOBAL_SECRET && !global_secret::comes_from_global(name))
    }
}
