//! Resources as they travel, encoded once for all peers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Resource, ResourceKey, Revision};
use portolan_proto::{
    discovery::Resource as WireResource,
    mesh::{KumaResource, kuma_resource::Meta},
    well_known::{Any, Timestamp as WireTime},
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::names::{Side, wire_name};

/// Type URL of what a discovery resource holds.
const KUMA_RESOURCE: &str = "type.googleapis.com/kuma.mesh.v1alpha1.KumaResource";

/// Encodes for one side, and remembers what it encoded for as long as it is current.
#[derive(Debug)]
pub(crate) struct Encoder {
    side: Side,
    cache: Mutex<HashMap<ResourceKey, (Revision, Arc<Encoded>)>>,
}

#[derive(Debug)]
struct Encoded {
    name: String,
    version: String,
    body: Bytes,
}

impl Encoder {
    pub(crate) fn new(side: Side) -> Arc<Self> {
        Arc::new(Self {
            side,
            cache: Mutex::default(),
        })
    }

    /// Who sends.
    pub(crate) fn side(&self) -> &Side {
        &self.side
    }

    /// The resource for a peer; `None` if peers get nothing of it.
    pub(crate) fn resource(&self, resource: &Resource, hashed: bool) -> Option<WireResource> {
        let encoded = if hashed {
            self.cached(resource)?
        } else {
            self.encode(resource, false)?.into()
        };
        Some(WireResource {
            name: encoded.name.clone(),
            version: encoded.version.clone(),
            resource: Some(Any {
                type_url: KUMA_RESOURCE.to_owned(),
                value: encoded.body.clone(),
            }),
        })
    }

    /// The name of a removed resource for a peer; `None` if peers never had it.
    pub(crate) fn removed(&self, key: &ResourceKey, hashed: bool) -> Option<String> {
        self.lock().remove(key);
        self.name(key, hashed)
    }

    /// The name of a resource for a peer; `None` if peers get nothing of it.
    pub(crate) fn name(&self, key: &ResourceKey, hashed: bool) -> Option<String> {
        let name = self.side.name(key, hashed)?;
        Some(wire_name(&name, &key.mesh))
    }

    fn cached(&self, resource: &Resource) -> Option<Arc<Encoded>> {
        if let Some((revision, encoded)) = self.lock().get(&resource.key)
            && *revision == resource.revision
        {
            return Some(Arc::clone(encoded));
        }
        let encoded = Arc::new(self.encode(resource, true)?);
        let entry = (resource.revision, Arc::clone(&encoded));
        self.lock().insert(resource.key.clone(), entry);
        Some(encoded)
    }

    fn encode(&self, resource: &Resource, hashed: bool) -> Option<Encoded> {
        let key = &resource.key;
        let name = self.side.name(key, hashed)?;
        let labels = self.side.labels(resource, &name);
        let spec = Any {
            type_url: key.kind.spec_type_url(),
            value: key.kind.spec_elsewhere(&key.name, &resource.spec)?,
        };
        let wire = wire_name(&name, &key.mesh);
        let meta = Meta {
            name,
            mesh: key.mesh.to_string(),
            labels,
            creation_time: Some(timestamp(resource.created)),
            ..Meta::default()
        };
        let body = KumaResource {
            meta: Some(meta),
            spec: Some(spec),
            status: None,
        };
        let body: Bytes = body.encode_to_vec().into();
        Some(Encoded {
            name: wire,
            version: hex::encode(Sha256::digest(&body)),
            body,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ResourceKey, (Revision, Arc<Encoded>)>> {
        // A panic elsewhere leaves the map as it was.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn timestamp(time: Timestamp) -> WireTime {
    WireTime {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::{Labels, kinds};

    use super::*;

    fn route(revision: Revision, team: &str) -> Resource {
        Resource {
            key: ResourceKey::in_mesh(kinds::MESH_GATEWAY_ROUTE, "default", "r"),
            labels: Labels::from([("team".to_owned(), team.to_owned())]),
            spec: Bytes::from_static(b"spec"),
            version: 1,
            revision,
            created: Timestamp::UNIX_EPOCH,
            modified: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_resource_travels_with_its_name_its_labels_and_its_spec() {
        let wire = Encoder::new(Side::Global)
            .resource(&route(1, "a"), true)
            .unwrap();
        assert_eq!(wire.name, "r-fdz955892fv4vx28.default");
        let any = wire.resource.unwrap();
        assert_eq!(any.type_url, KUMA_RESOURCE);
        let body = KumaResource::decode(any.value.clone()).unwrap();
        assert_eq!(wire.version, hex::encode(Sha256::digest(&any.value)));
        let meta = body.meta.unwrap();
        assert_eq!(
            (&*meta.name, &*meta.mesh),
            ("r-fdz955892fv4vx28", "default")
        );
        assert_eq!(meta.labels["kuma.io/display-name"], "r");
        assert_eq!(meta.creation_time, Some(WireTime::default()));
        let spec = body.spec.unwrap();
        assert_eq!(
            spec.type_url,
            "type.googleapis.com/kuma.mesh.v1alpha1.MeshGatewayRoute"
        );
        assert_eq!(&*spec.value, b"spec");
    }

    #[test]
    fn a_resource_is_encoded_once_for_each_revision() {
        let encoder = Encoder::new(Side::Global);
        let body = |resource: &Resource| {
            let wire = encoder.resource(resource, true).unwrap();
            wire.resource.unwrap().value
        };
        let first = body(&route(1, "a"));
        assert_eq!(first.as_ptr(), body(&route(1, "a")).as_ptr());
        assert_ne!(first, body(&route(2, "b")));
        let key = route(2, "b").key;
        let removed = |hashed| encoder.removed(&key, hashed).unwrap();
        assert_eq!(removed(true), "r-fdz955892fv4vx28.default");
        assert_eq!(removed(false), "r.default");
        assert!(encoder.lock().is_empty(), "what is gone is not remembered");
    }
}
