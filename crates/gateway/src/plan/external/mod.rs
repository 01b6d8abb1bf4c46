//! External services: what no Dataplane of the mesh offers, how it is reached, and who may reach it.
//!
//! ```text
//!   ExternalService ─▶ Described ─┐
//!                                 ├─▶ External: one endpoint of a service, or why it is none
//!   Secret ─────────▶ Materials ──┘        │
//!   TrafficPermission ─▶ Permissions ──────┴─▶ Externals::permitted: the endpoints for a Dataplane
//! ```

mod described;
mod endpoint;
mod material;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use portolan_model::{
    Kind, Resource, ResourceKey,
    kinds::{EXTERNAL_SERVICE, MESH, SECRET, TRAFFIC_PERMISSION},
    tags::{self, PROTOCOL, Tags},
};
use portolan_proto::mesh;

use super::{
    destination::Destination,
    permission::{Permission, Permissions},
    spoken::Spoken,
};
use described::Described;
pub use endpoint::{Endpoint, External, Host};
use material::Materials;
pub use tls::{Tls, Trust};

/// Services, of which something changed.
pub type Touched = BTreeSet<Box<str>>;

/// The external services of a mesh, kept up to date resource by resource.
#[derive(Clone, Debug, Default)]
pub struct Externals {
    described: BTreeMap<Arc<str>, Described>,
    /// By service, then by name.
    services: HashMap<Box<str>, BTreeMap<Arc<str>, Arc<External>>>,
    secrets: Materials,
    permissions: Permissions,
    prefers_own_zone: bool,
}

impl Externals {
    /// Whether they depend on resources of a kind.
    pub fn has(kind: Kind) -> bool {
        [EXTERNAL_SERVICE, TRAFFIC_PERMISSION, SECRET, MESH].contains(&kind)
    }

    /// Takes over a resource that was created or changed; other kinds are passed over.
    pub fn put(&mut self, resource: &Resource) -> Touched {
        let ResourceKey { kind, name, .. } = &resource.key;
        if *kind == EXTERNAL_SERVICE {
            let mut touched = self.forget(name);
            if let Some(described) = Described::read(resource) {
                self.described.insert(name.clone(), described);
                touched.extend(self.resolve(name));
            }
            touched
        } else if *kind == SECRET {
            self.secrets.insert(resource);
            self.secret_changed(name)
        } else if *kind == TRAFFIC_PERMISSION {
            self.permissions.insert(resource);
            self.all()
        } else if *kind == MESH {
            let spec = resource.spec_as::<mesh::Mesh>().ok();
            let routing = spec.and_then(|spec| spec.routing);
            self.prefer_own_zone(routing.is_some_and(|one| one.locality_aware_load_balancing))
        } else {
            Touched::new()
        }
    }

    /// The mesh's TrafficPermissions, which are for its members too.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Forgets a resource that was deleted.
    pub fn remove(&mut self, key: &ResourceKey) -> Touched {
        if key.kind == EXTERNAL_SERVICE {
            self.forget(&key.name)
        } else if key.kind == SECRET {
            self.secrets.remove(&key.name);
            self.secret_changed(&key.name)
        } else if key.kind == TRAFFIC_PERMISSION {
            self.permissions.remove(&key.name);
            self.all()
        } else if key.kind == MESH {
            self.prefer_own_zone(false)
        } else {
            Touched::new()
        }
    }

    fn forget(&mut self, name: &str) -> Touched {
        let Some(described) = self.described.remove(name) else {
            return Touched::new();
        };
        let service = described.service();
        if let Some(named) = self.services.get_mut(service) {
            named.remove(name);
            if named.is_empty() {
                self.services.remove(service);
            }
        }
        Touched::from([service.into()])
    }

    /// Makes anew what is known of one; gives its service.
    fn resolve(&mut self, name: &Arc<str>) -> Option<Box<str>> {
        let external = self.described.get(name)?.resolve(&self.secrets);
        let service: Box<str> = external.service().into();
        let named = self.services.entry(service.clone()).or_default();
        named.insert(name.clone(), Arc::new(external));
        Some(service)
    }

    fn secret_changed(&mut self, secret: &str) -> Touched {
        let described = self.described.iter();
        let named: Vec<_> = described
            .filter(|(_, described)| described.names_secret(secret))
            .map(|(name, _)| name.clone())
            .collect();
        let resolved = named.iter().filter_map(|name| self.resolve(name));
        resolved.collect()
    }

    fn prefer_own_zone(&mut self, prefer: bool) -> Touched {
        match std::mem::replace(&mut self.prefers_own_zone, prefer) == prefer {
            true => Touched::new(),
            false => self.all(),
        }
    }

    fn all(&self) -> Touched {
        self.services.keys().cloned().collect()
    }

    /// Whether some are of this service.
    pub fn has_service(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    /// The names of all of them.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.described.keys()
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<External>> {
        let service = self.described.get(name)?.service();
        self.services.get(service)?.get(name)
    }

    /// Whether endpoints near to other zones wait until none of the own is left.
    pub fn prefers_own_zone(&self) -> bool {
        self.prefers_own_zone
    }

    /// The external services that carry all tags of a destination, by name.
    pub fn of<'a>(
        &'a self,
        destination: &'a Destination,
    ) -> impl Iterator<Item = &'a Arc<External>> {
        let named = self.services.get(destination.service());
        let named = named.into_iter().flat_map(BTreeMap::values);
        named.filter(|external| tags::matches(destination.tags(), &external.tags))
    }

    /// Those of them that a Dataplane with tags `source` may reach.
    pub fn permitted<'a>(
        &'a self,
        destination: &'a Destination,
        source: &'a Tags,
    ) -> impl Iterator<Item = &'a Arc<External>> {
        let all = self.of(destination);
        all.filter(|external| self.permission(external, source).is_given())
    }

    /// Whether a Dataplane with tags `source` may reach an external service.
    pub fn permission(&self, external: &External, source: &Tags) -> Permission<'_> {
        self.permissions.of(source, &external.tags)
    }

    /// What is spoken with a destination: what it says itself, else what all external services of its
    /// service say.
    pub fn spoken(&self, destination: &Destination) -> Spoken {
        if let Some(protocol) = destination.tags().get(PROTOCOL) {
            return Spoken::of(protocol);
        }
        let named = self.services.get(destination.service());
        let named = named.into_iter().flat_map(BTreeMap::values);
        Spoken::common(named.map(|external| external.spoken()))
    }
}
