//! External services: what no Dataplane of the mesh offers, how it is reached, and who may reach it.
//!
//! ```text
//!   ExternalService ─▶ Described ─┐
//!                                 ├─▶ External: one endpoint of a service, or why it is none
//!   Secret ─────────▶ Materials ──┘        │
//!   TrafficPermission ─▶ Permissions ──────┴─▶ Externals::permitted: the endpoints for a Dataplane
//! ```

mod material;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use portolan_model::{
    Kind, Resource, ResourceKey,
    kinds::{EXTERNAL_SERVICE, MESH, SECRET, TRAFFIC_PERMISSION},
    tags::{self, PROTOCOL, SERVICE, Tags, ZONE},
};
use portolan_proto::mesh;

use super::{
    destination::Destination,
    entry::Author,
    permission::{Permission, Permissions},
    spoken::Spoken,
};
use crate::fault::{Fault, Reason};
use material::Materials;
pub use tls::{Tls, Trust};

/// One ExternalService: one endpoint of a service.
#[derive(Debug)]
pub struct External {
    /// The resource.
    pub author: Author,
    /// Its tags, the service among them.
    pub tags: Tags,
    /// Where it says that it is, as its author wrote it.
    pub address: Box<str>,
    /// How it is reached; nothing if something that it needs is broken.
    pub endpoint: Option<Endpoint>,
    /// What is broken.
    pub faults: Box<[Fault]>,
}

/// How an external service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its host.
    pub host: Host,
    /// Its port, above 0.
    pub port: u16,
    /// TLS, if it speaks that.
    pub tls: Option<Tls>,
}

/// A host of the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By its name, which proxies look up.
    Name(Box<str>),
}

impl Host {
    /// As proxies take it: IPv6 without brackets.
    pub fn text(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Name(name) => name.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{}:{}", host.text(), self.port),
        }
    }
}

impl External {
    /// What is spoken with it.
    pub fn spoken(&self) -> Spoken {
        let protocol = self.tags.get(PROTOCOL);
        Spoken::of(protocol.map_or("", String::as_str))
    }

    /// The zone that it is near to, if it says so.
    pub fn zone(&self) -> Option<&str> {
        self.tags.get(ZONE).map(String::as_str)
    }

    fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }
}

/// What the resource says, with Secrets by name.
#[derive(Clone, Debug)]
struct Described {
    key: ResourceKey,
    author: Author,
    tags: Tags,
    address: Box<str>,
    tls: Option<tls::Described>,
}

impl Described {
    fn read(resource: &Resource) -> Option<Self> {
        // Stores hold only specs that are messages of their kind.
        let spec: mesh::ExternalService = resource.spec_as().ok()?;
        let networking = spec.networking.unwrap_or_default();
        Some(Self {
            key: resource.key.clone(),
            author: Author::new(resource),
            tags: spec.tags,
            address: networking.address.into(),
            tls: networking.tls.and_then(tls::Described::read),
        })
    }

    fn names_secret(&self, name: &str) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.names_secret(name))
    }

    fn resolve(&self, secrets: &Materials) -> External {
        let (endpoint, broken) = match self.endpoint(secrets) {
            Ok(endpoint) => (Some(endpoint), Vec::new()),
            Err(broken) => (None, broken),
        };
        let faults = broken.into_iter().map(|(field, reason)| Fault {
            resource: self.key.clone(),
            field,
            reason,
        });
        External {
            author: self.author.clone(),
            tags: self.tags.clone(),
            address: self.address.clone(),
            endpoint,
            faults: faults.collect(),
        }
    }

    fn endpoint(&self, secrets: &Materials) -> Result<Endpoint, Vec<(String, Reason)>> {
        let (host, port) = split(&self.address).ok_or_else(|| {
            let reason = Reason::HostAndPort(self.address.to_string());
            vec![("networking.address".to_owned(), reason)]
        })?;
        let tls = self
            .tls
            .as_ref()
            .map(|tls| tls.resolve(&self.key.name, &host, secrets));
        let tls = tls.transpose().map_err(|broken| {
            let broken = broken.into_iter();
            let named = broken.map(|(field, reason)| (format!("networking.tls.{field}"), reason));
            named.collect::<Vec<_>>()
        })?;
        Ok(Endpoint { host, port, tls })
    }
}

/// Host and port of `HOST:PORT`, where IPv6 addresses stand in brackets.
fn split(address: &str) -> Option<(Host, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bare.unwrap_or(host).parse() {
        Ok(address) => Host::Ip(address),
        Err(_) => Host::Name(host.into()),
    };
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    match &host {
        Host::Name(name) if !is_name(name) => None,
        Host::Ip(_) | Host::Name(_) => Some((host, port)),
    }
}

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
        let service = described.tags.get(SERVICE).map_or("", String::as_str);
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

    /// Whether endpoints near to other zones wait until none of the own is left.
    pub fn prefers_own_zone(&self) -> bool {
        self.prefers_own_zone
    }

    /// Whether a service has external endpoints, reachable or not.
    pub fn has_service(&self, service: &str) -> bool {
        self.services.contains_key(service)
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
