//! Gateway instances that are alike.

use std::sync::Arc;

use portolan_model::tags::Tags;

use crate::{
    fault::Fault,
    plan::{
        gateway::Gateway,
        listeners,
        port::{Listener, Port, Protocol},
    },
};

/// Gateway instances of one zone with equal tags: the same MeshGateway, listeners and routes.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Their zone; nothing for instances that do not exist.
    pub zone: Option<Arc<str>>,
    /// Their gateway tags, `kuma.io/zone` among them.
    pub tags: Tags,
    /// Names of their Dataplanes.
    pub dataplanes: Vec<Arc<str>>,
    /// The MeshGateway that they run, if any selects them.
    pub gateway: Option<Arc<Gateway>>,
    /// The ports that they open.
    pub ports: Vec<Arc<Port>>,
    /// What is left out of the MeshGateway.
    pub faults: Vec<Fault>,
}

impl Fleet {
    pub(super) fn new(
        zone: Option<Arc<str>>,
        tags: Tags,
        dataplanes: Vec<Arc<str>>,
        gateway: Option<&Arc<Gateway>>,
    ) -> Self {
        let (ports, faults) = match gateway {
            Some(gateway) => listeners::ports(gateway, &tags),
            None => (Vec::new(), Vec::new()),
        };
        Self {
            zone,
            tags,
            dataplanes,
            gateway: gateway.cloned(),
            ports,
            faults,
        }
    }

    /// All listeners, each with what it speaks.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (Protocol, &Arc<Listener>)> {
        self.ports.iter().flat_map(|port| {
            let listeners = port.chains.iter().flat_map(|chain| &chain.listeners);
            listeners.map(|listener| (port.protocol, listener))
        })
    }
}
