//! What a mesh offers to members of the others: the `crossMesh` listeners of its gateways.

use std::{net::SocketAddr, sync::Arc};

use portolan_model::{
    Labels,
    tags::{MESH, PROTOCOL},
};

use super::{
    dataplane::{BuiltinInstance, Instance},
    gateway::Gateway,
    listeners,
    port::Tls,
    spoken::Spoken,
};

/// The `crossMesh` listeners of a gateway of this mesh on one of its instances, as instances of the
/// gateway's service. Their tags have `kuma.io/mesh`, so only destinations that name it choose them.
pub fn instances(mesh: &str, gateway: &Gateway, on: &BuiltinInstance) -> Vec<Arc<Instance>> {
    let Ok(address) = on.address.parse() else {
        return Vec::new();
    };
    let (ports, _) = listeners::ports(gateway, &on.tags);
    let chains = ports.iter().flat_map(|port| &port.chains);
    let mutual = chains.filter(|chain| matches!(chain.tls, Tls::Mutual(_)));
    let listeners = mutual.flat_map(|chain| &chain.listeners);
    let offered = listeners.map(|listener| {
        let mut tags = listener.tags.clone();
        tags.insert(MESH.to_owned(), mesh.to_owned());
        tags.insert(PROTOCOL.to_owned(), "http".to_owned());
        Arc::new(Instance {
            tags,
            address: Ok(SocketAddr::new(address, listener.port)),
            spoken: Spoken::Http1,
            healthy: true,
            away: false,
            labels: Arc::new(Labels::new()),
        })
    });
    offered.collect()
}
