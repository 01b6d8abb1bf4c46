//! A proxy's Dataplane lives as long as its stream: written when it opens, removed when it is gone.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use portolan_model::{Labels, Resource, ResourceKey, kinds, labels, proto::mesh::Dataplane};
use portolan_store::{Batch, Expect, Requirement, Snapshot, Store, StoreError, Write};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    insights,
    sessions::{SessionState, Sessions},
};

/// How long a proxy may be away before its Dataplane is removed; it may come back, or be moved to
/// another replica.
const GRACE: Duration = Duration::from_secs(10);
/// The same after a start of the control plane, when every proxy has to come back.
const GRACE_AFTER_START: Duration = Duration::from_secs(60);

/// On Dataplanes that a proxy brought with it: they go when it goes. Others stay until they are deleted.
const LIFECYCLE: &str = "portolan.io/lifecycle";
/// Value of [`LIFECYCLE`].
const BY_PROXY: &str = "proxy";

/// Why a Dataplane was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// The resource in the bootstrap's metadata cannot be read or breaks a rule.
    #[error("the Dataplane that the proxy brought is not valid: {0}; correct the dataplane file")]
    Invalid(String),
    /// There is neither a resource in the metadata nor one in the store.
    #[error("there is no Dataplane {0}: create it, or start the proxy with a dataplane file")]
    Unknown(ResourceKey),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A Dataplane that may be registered once its proxy has shown who it is.
pub(crate) struct Prepared {
    /// What it says.
    pub(crate) spec: Dataplane,
    /// Its labels.
    pub(crate) labels: Labels,
    /// The Dataplane whose place it would take, with its labels.
    pub(crate) replaces: Option<(Dataplane, Labels)>,
    write: Option<Write>,
}

/// Writes and removes the Dataplanes of one zone.
pub(crate) struct Registrar {
    zone: String,
    instance_id: String,
    store: Arc<dyn Store>,
    sessions: Arc<Sessions>,
    cancel: CancellationToken,
}

impl Registrar {
    /// For the zone of that name.
    pub(crate) fn new(
        zone: &str,
        instance_id: &str,
        store: Arc<dyn Store>,
        sessions: Arc<Sessions>,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            zone: zone.to_owned(),
            instance_id: instance_id.to_owned(),
            store,
            sessions,
            cancel,
        })
    }

    /// Reads the Dataplane that a proxy brought, or finds the one that is there. Writes nothing yet.
    pub(crate) fn prepare(
        &self,
        key: &ResourceKey,
        yaml: Option<&str>,
    ) -> Result<Prepared, RegistrationError> {
        let snapshot = self.store.index().snapshot();
        let known = snapshot.get(key).and_then(|known| {
            let labels = Labels::clone(&known.labels);
            Some((known.spec_as::<Dataplane>().ok()?, labels))
        });
        match yaml {
            Some(yaml) => Ok(Prepared {
                replaces: known,
                ..self.read(key, yaml)?
            }),
            None => {
                let (spec, labels) =
                    known.ok_or_else(|| RegistrationError::Unknown(key.clone()))?;
                Ok(Prepared {
                    spec,
                    labels,
                    replaces: None,
                    write: None,
                })
            }
        }
    }

    /// Writes what was prepared.
    pub(crate) async fn register(&self, prepared: Prepared) -> Result<(), RegistrationError> {
        let Some(write) = prepared.write else {
            return Ok(());
        };
        let requires = match &write {
            Write::Put { key, .. } => {
                vec![Requirement::Exists(ResourceKey::global(
                    kinds::MESH,
                    Arc::clone(&key.mesh),
                ))]
            }
            _ => Vec::new(),
        };
        self.store
            .commit(Batch {
                requires,
                writes: vec![write],
                ..Batch::default()
            })
            .await?;
        Ok(())
    }

    fn read(&self, key: &ResourceKey, yaml: &str) -> Result<Prepared, RegistrationError> {
        let invalid = |reason: String| RegistrationError::Invalid(reason);
        let json: serde_json::Value =
            serde_norway::from_str(yaml).map_err(|error| invalid(error.to_string()))?;
        let user_labels = json.get("labels").cloned();
        let encoded = key
            .kind
            .spec_from_json(&json)
            .map_err(|error| invalid(error.to_string()))?;
        let encoded = (key.kind.in_zone)(encoded, &self.zone);
        let spec =
            Dataplane::decode(encoded.clone()).map_err(|error| invalid(error.to_string()))?;
        let violations = (key.kind.validate)(&encoded);
        if !violations.is_empty() {
            return Err(invalid(violations.to_string()));
        }
        let mut all: Labels = user_labels
            .and_then(|given| serde_json::from_value(given).ok())
            .unwrap_or_default();
        all.extend((key.kind.labels)(&encoded));
        for (name, value) in [
            (labels::ENV, labels::ENV_UNIVERSAL),
            (labels::MESH, &*key.mesh),
            (labels::ORIGIN, labels::ORIGIN_ZONE),
            (labels::ZONE, &self.zone),
            (LIFECYCLE, BY_PROXY),
        ] {
            all.insert(name.to_owned(), value.to_owned());
        }
        let write = Write::Put {
            key: key.clone(),
            labels: all.clone(),
            spec: encoded,
            expect: Expect::Any,
            created: None,
        };
        Ok(Prepared {
            spec,
            labels: all,
            replaces: None,
            write: Some(write),
        })
    }

    /// Notes that a proxy's stream closed, and removes its Dataplane unless it comes back in time.
    pub(crate) fn left(self: &Arc<Self>, key: ResourceKey, last: SessionState) {
        let registrar = Arc::clone(self);
        tokio::spawn(async move {
            let insight = insights::insight(&registrar.instance_id, &last, Some(Timestamp::now()));
            if !registrar.sessions.is_open(&key) {
                let written = insights::write(&*registrar.store, &registrar.zone, &key, &insight);
                if let Err(error) = written.await {
                    warn!(dataplane = %key, %error, "cannot write the insight");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(GRACE) => registrar.remove(&key).await,
                () = registrar.cancel.cancelled() => {}
            }
        });
    }

    /// After a start: removes the Dataplanes whose proxies have not come back.
    pub(crate) async fn sweep(self: Arc<Self>) {
        tokio::select! {
            () = tokio::time::sleep(GRACE_AFTER_START) => {}
            () = self.cancel.cancelled() => return,
        }
        let snapshot = self.store.index().snapshot();
        let brought: Vec<_> = snapshot
            .list(kinds::DATAPLANE, None)
            .filter(|dataplane| is_brought(dataplane))
            .map(|dataplane| dataplane.key.clone())
            .collect();
        for key in brought {
            self.remove(&key).await;
        }
    }

    async fn remove(&self, key: &ResourceKey) {
        if self.sessions.is_open(key) {
            return;
        }
        let snapshot = self.store.index().snapshot();
        if !is_brought_in(&snapshot, key) {
            return;
        }
        let insight = ResourceKey {
            kind: kinds::DATAPLANE_INSIGHT,
            ..key.clone()
        };
        let writes = [key.clone(), insight]
            .map(|key| Write::Delete {
                key,
                expect: Expect::Any,
            })
            .to_vec();
        match self
            .store
            .commit(Batch {
                writes,
                ..Batch::default()
            })
            .await
        {
            Ok(_) => info!(dataplane = %key, "proxy is gone; Dataplane removed"),
            Err(error) => {
                warn!(dataplane = %key, %error, "cannot remove the Dataplane of a proxy that is gone")
            }
        }
    }
}

fn is_brought_in(snapshot: &Snapshot, key: &ResourceKey) -> bool {
    snapshot
        .get(key)
        .is_some_and(|dataplane| is_brought(dataplane))
}

fn is_brought(dataplane: &Resource) -> bool {
    dataplane
        .labels
        .get(LIFECYCLE)
        .is_some_and(|value| value == BY_PROXY)
}
