//! Reads the listeners of a MeshGateway into the ports that it opens.

use std::sync::Arc;

use portolan_model::{hostname::Hostname, tags::Tags};
use portolan_proto::mesh::mesh_gateway::{
    Listener as Spec, listener::Protocol as ProtocolSpec, tls::Mode,
};

use super::{
    certificate::Certificate,
    gateway::Gateway,
    port::{Chain, Listener, Port, Protocol, Tls, specificity},
};
use crate::fault::{Fault, Reason};

/// What is wrong with a listener: field below it, and reason.
type Broken = (&'static str, Reason);

/// The ports that `gateway` opens on a Dataplane with these gateway tags, by number.
///
/// Listeners of one port collapse into one. Validation guarantees that they fit together; of those
/// that came in by sync and do not, the first in the spec stands.
pub fn ports(gateway: &Gateway, dataplane: &Tags) -> (Vec<Arc<Port>>, Vec<Fault>) {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut faults = Vec::new();
    for (position, spec) in gateway.listeners().iter().enumerate() {
        let path = format!("conf.listeners[{position}]");
        let read = read(spec, &path, gateway, dataplane);
        if let Err((field, reason)) = read.and_then(|read| join(&mut drafts, read)) {
            faults.push(Fault {
                resource: gateway.key.clone(),
                field: format!("{path}.{field}"),
                reason,
            });
        }
    }
    drafts.sort_by_key(|draft| draft.number);
    let ports = drafts
        .into_iter()
        .map(|draft| Arc::new(draft.finish(&gateway.name)));
    (ports.collect(), faults)
}

/// A listener that can be served, if the others of its port let it.
struct Read {
    listener: Arc<Listener>,
    protocol: Protocol,
    tls: Tls,
    connection_limit: Option<u32>,
}

fn read(spec: &Spec, path: &str, gateway: &Gateway, dataplane: &Tags) -> Result<Read, Broken> {
    let port = u16::try_from(spec.port)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(("port", Reason::Port(spec.port)))?;
    let protocol = match spec.protocol() {
        ProtocolSpec::Http => Protocol::Http,
        ProtocolSpec::Https => Protocol::Https,
        ProtocolSpec::Tls => Protocol::Tls,
        ProtocolSpec::Tcp => Protocol::Tcp,
        ProtocolSpec::None => return Err(("protocol", Reason::NoProtocol)),
    };
    if spec.cross_mesh && protocol != Protocol::Http {
        return Err(("protocol", Reason::CrossMeshProtocol));
    }
    let hostname = Hostname::parse(&spec.hostname)
        .map_err(|_| ("hostname", Reason::Hostname(spec.hostname.clone())))?;
    let tls = match protocol.is_encrypted() {
        true => read_tls(spec, path, protocol, &format!("{port}:{hostname}"))?,
        false if spec.cross_mesh => Tls::Mutual(format!("{path}.crossMesh").into()),
        false => Tls::None,
    };
    let limit = spec.resources.map(|resources| resources.connection_limit);
    Ok(Read {
        listener: Arc::new(Listener {
            hostname,
            tags: union([dataplane, gateway.tags(), &spec.tags]),
            port,
        }),
        protocol,
        tls,
        connection_limit: limit.filter(|limit| *limit > 0),
    })
}

/// `name` tells the listener from all others of the gateway.
fn read_tls(spec: &Spec, path: &str, protocol: Protocol, name: &str) -> Result<Tls, Broken> {
    let tls = spec.tls.as_ref().ok_or(("tls", Reason::NoTls))?;
    match tls.mode() {
        Mode::None => Err(("tls.mode", Reason::NoTls)),
        Mode::Passthrough if protocol == Protocol::Https => {
            Err(("tls.mode", Reason::HttpsPassthrough))
        }
        Mode::Passthrough => Ok(Tls::Passthrough),
        Mode::Terminate if tls.certificates.is_empty() => {
            Err(("tls.certificates", Reason::NoCertificates))
        }
        Mode::Terminate => {
            let certificates = tls
                .certificates
                .iter()
                .enumerate()
                .map(|(position, source)| {
                    let field = format!("{path}.tls.certificates[{position}]");
                    Certificate::read(source, field, &format!("{name}:{position}"))
                });
            Ok(Tls::Terminate(certificates.collect()))
        }
    }
}

/// Later tags override earlier ones.
fn union(tags: [&Tags; 3]) -> Tags {
    tags.into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A port while its listeners come in.
struct Draft {
    number: u16,
    protocol: Protocol,
    connection_limit: Option<u32>,
    listeners: Vec<(Arc<Listener>, Tls)>,
}

/// Adds a listener to its port. One that does not fit is left out; of a limit that differs, the limit is.
fn join(drafts: &mut Vec<Draft>, read: Read) -> Result<(), Broken> {
    let number = read.listener.port;
    let limit = read.connection_limit;
    let Some(draft) = drafts.iter_mut().find(|draft| draft.number == number) else {
        drafts.push(Draft {
            number,
            protocol: read.protocol,
            connection_limit: limit,
            listeners: vec![(read.listener, read.tls)],
        });
        return Ok(());
    };
    if draft.protocol != read.protocol {
        let conflict = Reason::ProtocolConflict(number, draft.protocol);
        return Err(("protocol", conflict));
    }
    let is_mutual = |tls: &Tls| matches!(tls, Tls::Mutual(_));
    let of_others = draft.listeners.first().map(|(_, tls)| is_mutual(tls));
    if of_others.is_some_and(|others| others != is_mutual(&read.tls)) {
        return Err(("crossMesh", Reason::CrossMeshConflict(number)));
    }
    let hostname = &read.listener.hostname;
    let mut others = draft.listeners.iter().map(|(other, _)| &other.hostname);
    if others.any(|other| other == hostname) {
        return Err(("hostname", Reason::DuplicateHostname(number)));
    }
    draft.listeners.push((read.listener, read.tls));
    match (draft.connection_limit, limit) {
        (Some(first), Some(other)) if first != other => {
            let conflict = Reason::LimitConflict(number, first);
            Err(("resources.connectionLimit", conflict))
        }
        (first, _) => {
            draft.connection_limit = first.or(limit);
            Ok(())
        }
    }
}

impl Draft {
    fn finish(mut self, gateway: &str) -> Port {
        self.listeners
            .sort_by_cached_key(|(listener, _)| specificity(&listener.hostname));
        let name = format!("{gateway}:{}:{}", self.protocol, self.number);
        let chain = |hostname: Hostname, tls, listeners| {
            let name = format!("{name}:{hostname}").into();
            Arc::new(Chain {
                name,
                hostname,
                tls,
                listeners,
            })
        };
        let chains = if self.protocol.is_encrypted() {
            // SNI tells whom a connection is for.
            let listeners = self.listeners.into_iter();
            listeners
                .map(|(listener, tls)| chain(listener.hostname.clone(), tls, [listener].into()))
                .collect()
        } else {
            // All alike; members name a service by SNI, and no host.
            let mut tls = Tls::None;
            let listeners = self.listeners.into_iter().map(|(listener, of_all)| {
                tls = of_all;
                listener
            });
            let listeners = listeners.collect();
            [chain(Hostname::Any, tls, listeners)].into()
        };
        Port {
            number: self.number,
            protocol: self.protocol,
            name: name.into(),
            connection_limit: self.connection_limit,
            chains,
        }
    }
}
