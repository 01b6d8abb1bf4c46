//! What this build and this process call themselves.

use portolan_store::Index;

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One process of a control plane.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Host name and a random part, as in `vm-6da3`; new with each start.
    pub(crate) id: String,
    hostname: String,
}

impl Instance {
    /// A new identity.
    pub(crate) fn new() -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned());
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self {
            id: format!("{hostname}-{}", &random[..4]),
            hostname,
        }
    }

    /// What `GET /` shows.
    pub(crate) fn for_api(&self, index: &Index) -> portolan_api::Instance {
        portolan_api::Instance {
            id: self.id.clone(),
            hostname: self.hostname.clone(),
            cluster_id: index.snapshot().store_id().to_owned(),
            version: VERSION.to_owned(),
        }
    }
}
