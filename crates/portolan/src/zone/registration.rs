//! A proxy's Dataplane lives as long as its stream: written when it opens, removed when it is gone.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{
    Kind, Labels, Resource, ResourceKey, Scope, kinds, labels,
    proto::mesh::{Dataplane, ZoneIngress},
};
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
    #[error("what the proxy brought is not valid: {0}; correct the dataplane file")]
    Invalid(String),
    /// There is neither a resource in the metadata nor one in the store.
    #[error("there is no {0}: create it, or start the proxy with a dataplane file")]
    Unknown(ResourceKey),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a proxy is.
pub(crate) enum Role {
    /// That of this Dataplane.
    Dataplane(Box<Dataplane>),
    /// That of a ZoneIngress.
    Ingress,
}

impl Role {
    fn read(kind: Kind, spec: &Bytes) -> Result<Self, prost::DecodeError> {
        match kind == kinds::ZONE_INGRESS {
            true => Ok(Self::Ingress),
            false => Dataplane::decode(spec.clone()).map(|spec| Self::Dataplane(spec.into())),
        }
    }
}

/// A Dataplane or ZoneIngress that may be registered once its proxy has shown who it is.
pub(crate) struct Prepared {
    /// What its proxy is.
    pub(crate) role: Role,
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
            Some((Role::read(key.kind, &known.spec).ok()?, labels))
        });
        match yaml {
            Some(yaml) => Ok(Prepared {
                // Whoever may be an ingress of the zone may be each.
                replaces: known.and_then(|(role, labels)| match role {
                    Role::Dataplane(spec) => Some((*spec, labels)),
                    Role::Ingress => None,
                }),
                ..self.read(key, yaml)?
            }),
            None => {
                let (role, labels) =
                    known.ok_or_else(|| RegistrationError::Unknown(key.clone()))?;
                Ok(Prepared {
                    role,
                    labels,
                    replaces: None,
                    write: None,
                })
            }
        }
    }

    /// Whether a Dataplane or ZoneIngress is there already.
    pub(crate) fn knows(&self, key: &ResourceKey) -> bool {
        self.store.index().snapshot().get(key).is_some()
    }

    /// Writes what was prepared.
    pub(crate) async fn register(&self, prepared: Prepared) -> Result<(), RegistrationError> {
        let Some(write) = prepared.write else {
            return Ok(());
        };
        let requires = match &write {
            Write::Put { key, .. } if key.kind.scope == Scope::Mesh => {
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
        let encoded = self.with_services(key, encoded);
        let role = Role::read(key.kind, &encoded).map_err(|error| invalid(error.to_string()))?;
        let violations = (key.kind.validate)(&encoded);
        if !violations.is_empty() {
            return Err(invalid(violations.to_string()));
        }
        let mut all: Labels = user_labels
            .and_then(|given| serde_json::from_value(given).ok())
            .unwrap_or_default();
        all.extend((key.kind.labels)(&encoded));
        if key.kind.scope == Scope::Mesh {
            all.insert(labels::MESH.to_owned(), key.mesh.to_string());
        }
        for (name, value) in [
            (labels::ENV, labels::ENV_UNIVERSAL),
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
            role,
            labels: all,
            replaces: None,
            write: Some(write),
        })
    }

    /// What a ZoneIngress offers is the control plane's to say, and goes on being said when its proxy comes
    /// again.
    fn with_services(&self, key: &ResourceKey, encoded: Bytes) -> Bytes {
        if key.kind != kinds::ZONE_INGRESS {
            return encoded;
        }
        let known = self.store.index().snapshot().get(key).cloned();
        let known = known.and_then(|known| known.spec_as::<ZoneIngress>().ok());
        let Ok(mut ingress) = ZoneIngress::decode(encoded.clone()) else {
            return encoded;
        };
        ingress.available_services = known.unwrap_or_default().available_services;
        ingress.encode_to_vec().into()
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
        let kinds = [kinds::DATAPLANE, kinds::ZONE_INGRESS];
        let brought: Vec<_> = kinds
            .into_iter()
            .flat_map(|kind| snapshot.list(kind, None))
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
        if snapshot.get(key).is_none() {
            self.sessions.forget(key);
        }
        if !is_brought_in(&snapshot, key) {
            return;
        }
        let insight = insights::key_of(key);
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
            Ok(_) => {
                self.sessions.forget(key);
                info!(dataplane = %key, "proxy is gone; {} removed", key.kind);
            }
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

/// Those of other zones were brought there.
fn is_brought(dataplane: &Resource) -> bool {
    let label = |name: &str| dataplane.labels.get(name).map(String::as_str);
    label(LIFECYCLE) == Some(BY_PROXY) && label(labels::ORIGIN) != Some(labels::ORIGIN_GLOBAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proxies_of_other_zones_brought_is_not_ours_to_remove() {
        let brought = |origin: &str| {
            let labels = [(LIFECYCLE, BY_PROXY), (labels::ORIGIN, origin)];
            Resource {
                key: ResourceKey::global(kinds::ZONE_INGRESS, "in"),
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                spec: Bytes::new(),
                version: 1,
                revision: 1,
                created: Timestamp::UNIX_EPOCH,
                modified: Timestamp::UNIX_EPOCH,
            }
        };
        assert!(is_brought(&brought(labels::ORIGIN_ZONE)));
        assert!(!is_brought(&brought(labels::ORIGIN_GLOBAL)));
    }
}
