//! MeshGateways: which one a Dataplane gets, and the ports that it opens.

use std::{cmp::Reverse, sync::Arc};

use jiff::Timestamp;
use portolan_model::{
    Resource, ResourceKey,
    hostname::Hostname,
    tags::{self, Rank, Tags},
};
use portolan_proto::mesh::{
    MeshGateway,
    mesh_gateway::{Listener as ListenerSpec, listener::Protocol},
};

use crate::fault::{Fault, Reason};

/// One MeshGateway.
#[derive(Debug)]
pub struct Gateway {
    /// The resource.
    pub key: ResourceKey,
    /// The name that its author gave it; listeners are named after it.
    pub name: Arc<str>,
    created: Timestamp,
    spec: MeshGateway,
}

impl Gateway {
    /// Reads a resource of kind MeshGateway.
    pub fn read(resource: &Resource) -> Self {
        Self {
            key: resource.key.clone(),
            name: resource.display_name().into(),
            created: resource.created,
            // Stores hold only specs that are messages of their kind; an empty one selects nothing.
            spec: resource.spec_as().unwrap_or_default(),
        }
    }

    fn rank(&self, dataplane: &Tags) -> Option<Rank> {
        tags::best_match(&self.spec.selectors, dataplane)
    }
}

/// The MeshGateway for a Dataplane with these gateway tags: the highest rank wins, then the newest,
/// then the first by name.
pub fn select<'a>(
    gateways: impl Iterator<Item = &'a Arc<Gateway>>,
    dataplane: &Tags,
) -> Option<&'a Arc<Gateway>> {
    gateways
        .filter_map(|gateway| Some((gateway.rank(dataplane)?, gateway)))
        .max_by_key(|(rank, gateway)| {
            (
                *rank,
                gateway.created,
                Reverse((&*gateway.name, &*gateway.key.name)),
            )
        })
        .map(|(_, gateway)| gateway)
}

/// One port of a gateway, with all its listeners.
#[derive(Debug)]
pub struct Port {
    /// The port.
    pub number: u16,
    /// Name of the Envoy listener, `GATEWAY:PROTOCOL:PORT`.
    pub name: Arc<str>,
    /// Most connections at a time, if limited.
    pub connection_limit: Option<u32>,
    /// Its listeners, the most specific hostname first.
    pub listeners: Box<[Arc<Listener>]>,
}

/// One listener of a MeshGateway: a hostname on a port.
#[derive(Debug)]
pub struct Listener {
    /// The hosts that it serves.
    pub hostname: Hostname,
    /// The Dataplane's gateway tags, the MeshGateway's and its own; routes and policies choose by them.
    pub tags: Tags,
    /// Its port.
    pub port: u16,
}

/// The ports that `gateway` opens on a Dataplane with these gateway tags, by number.
///
/// Listeners of one port collapse into one. Validation guarantees that they fit together; of those
/// that came in by sync and do not, the first in the spec stands.
pub fn ports(gateway: &Gateway, dataplane: &Tags) -> (Vec<Arc<Port>>, Vec<Fault>) {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut faults = Vec::new();
    let specs = gateway
        .spec
        .conf
        .as_ref()
        .map_or(&[][..], |conf| &conf.listeners);
    for (position, spec) in specs.iter().enumerate() {
        if let Err((field, reason)) = add(&mut drafts, spec, gateway, dataplane) {
            faults.push(Fault {
                resource: gateway.key.clone(),
                field: format!("conf.listeners[{position}].{field}"),
                reason,
            });
        }
    }
    drafts.sort_by_key(|draft| draft.number);
    (
        drafts
            .into_iter()
            .map(|draft| Arc::new(draft.finish(&gateway.name)))
            .collect(),
        faults,
    )
}

/// A port while its listeners come in.
struct Draft {
    number: u16,
    connection_limit: Option<u32>,
    listeners: Vec<Arc<Listener>>,
}

impl Draft {
    fn finish(mut self, gateway: &str) -> Port {
        self.listeners
            .sort_by_cached_key(|listener| specificity(&listener.hostname));
        Port {
            number: self.number,
            name: format!("{gateway}:HTTP:{}", self.number).into(),
            connection_limit: self.connection_limit,
            listeners: self.listeners.into(),
        }
    }
}

fn add(
    drafts: &mut Vec<Draft>,
    spec: &ListenerSpec,
    gateway: &Gateway,
    dataplane: &Tags,
) -> Result<(), (&'static str, Reason)> {
    let protocol = spec.protocol();
    let number = u16::try_from(spec.port)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(("port", Reason::Port(spec.port)))?;
    // TLS, TCP and HTTPS listeners and the mesh's mTLS get generators of their own beside `http`.
    if protocol != Protocol::Http {
        return Err((
            "protocol",
            Reason::UnsupportedProtocol(protocol.as_str_name()),
        ));
    }
    if spec.cross_mesh {
        return Err(("crossMesh", Reason::CrossMesh));
    }
    let hostname = Hostname::parse(&spec.hostname)
        .map_err(|_| ("hostname", Reason::Hostname(spec.hostname.clone())))?;
    let listener = Listener {
        hostname,
        tags: union(dataplane, gateway, spec),
        port: number,
    };
    let limit = spec
        .resources
        .as_ref()
        .map(|resources| resources.connection_limit);
    let limit = limit.filter(|limit| *limit > 0);

    let Some(draft) = drafts.iter_mut().find(|draft| draft.number == number) else {
        drafts.push(Draft {
            number,
            connection_limit: limit,
            listeners: vec![Arc::new(listener)],
        });
        return Ok(());
    };
    if draft
        .listeners
        .iter()
        .any(|other| other.hostname == listener.hostname)
    {
        return Err(("hostname", Reason::DuplicateHostname(number)));
    }
    draft.connection_limit = draft.connection_limit.or(limit);
    draft.listeners.push(Arc::new(listener));
    Ok(())
}

/// Later tags override earlier ones.
fn union(dataplane: &Tags, gateway: &Gateway, spec: &ListenerSpec) -> Tags {
    [dataplane, &gateway.spec.tags, &spec.tags]
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Sorts exact hostnames before wildcards, longer wildcards before shorter, `*` last; then by name.
pub(super) fn specificity(hostname: &Hostname) -> (u8, Reverse<usize>, String) {
    let name = hostname.to_string();
    let rank = match hostname {
        Hostname::Exact(_) => return (0, Reverse(0), name),
        Hostname::Wildcard(_) => 1,
        Hostname::Any => 2,
    };
    (rank, Reverse(name.split('.').count()), name)
}
