//! A ZoneIngress of the own zone: where its proxy listens, and what connections may pass to.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Resource, tags::Tags};
use portolan_proto::mesh::{ZoneIngress, zone_ingress::AvailableService};

use super::{
    dataplane::Dataplane,
    destination::{Destination, cluster_name},
};

/// Where the proxy of a ZoneIngress listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ingress {
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
}

impl Ingress {
    /// Reads a ZoneIngress; nothing if a proxy could not listen there.
    pub fn read(spec: &ZoneIngress) -> Option<Self> {
        let networking = spec.networking.as_ref()?;
        let port = u16::try_from(networking.port).ok()?;
        // Names are for those who look from outside.
        let address: std::net::IpAddr = networking.address.parse().ok()?;
        (port != 0).then(|| Self {
            address: address.to_string(),
            port,
        })
    }

    /// Name of its listener, as in Kuma.
    pub fn listener_name(&self) -> String {
        format!("inbound:{}:{}", self.address, self.port)
    }
}

/// What connections may pass to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The mesh.
    pub mesh: Arc<str>,
    /// Whose instances they get to.
    pub destination: Arc<Destination>,
    /// The cluster of these instances.
    pub cluster: Arc<str>,
}

impl Passage {
    /// To a destination. The cluster is called as in Kuma, `MESH:SERVICE`, with a hash behind it where more
    /// tags choose among the instances.
    pub fn to(mesh: &Arc<str>, destination: Arc<Destination>) -> Self {
        let cluster = match destination.tags().len() {
            1 => destination.service().to_owned(),
            _ => cluster_name(&destination, &Tags::new()),
        };
        Self {
            mesh: mesh.clone(),
            cluster: format!("{mesh}:{cluster}").into(),
            destination,
        }
    }
}

/// What a zone offers to the others, kept up to date Dataplane by Dataplane: how many instances of each
/// mesh have the same tags.
#[derive(Debug, Default)]
pub struct Available {
    dataplanes: BTreeMap<(Arc<str>, Arc<str>), Vec<Tags>>,
    count: BTreeMap<(Arc<str>, Tags), u32>,
}

impl Available {
    /// Takes over a Dataplane of the zone.
    pub fn put(&mut self, resource: &Resource, zone: &str) {
        let dataplane = Dataplane::read(resource, zone);
        let instances = dataplane.instances.iter();
        let takes = instances.filter(|one| one.healthy && !one.service().is_empty());
        let tags: Vec<Tags> = takes.map(|instance| instance.tags.clone()).collect();
        self.set((&resource.key.mesh, &resource.key.name), tags);
    }

    /// Forgets a Dataplane that was deleted, or whose proxy has gone.
    pub fn remove(&mut self, mesh: &Arc<str>, name: &Arc<str>) {
        self.set((mesh, name), Vec::new());
    }

    fn set(&mut self, (mesh, name): (&Arc<str>, &Arc<str>), new: Vec<Tags>) {
        let key = (mesh.clone(), name.clone());
        for tags in &new {
            *self.count.entry((mesh.clone(), tags.clone())).or_default() += 1;
        }
        let old = match new.is_empty() {
            true => self.dataplanes.remove(&key),
            false => self.dataplanes.insert(key, new),
        };
        for tags in old.unwrap_or_default() {
            let of_tags = (mesh.clone(), tags);
            if let Some(count) = self.count.get_mut(&of_tags) {
                *count -= 1;
                if *count == 0 {
                    self.count.remove(&of_tags);
                }
            }
        }
    }

    /// All of it, ordered by mesh and tags, as a ZoneIngress says it.
    pub fn services(&self) -> Vec<AvailableService> {
        let all = self.count.iter();
        all.map(|((mesh, tags), instances)| AvailableService {
            tags: tags.clone(),
            instances: *instances,
            mesh: mesh.to_string(),
            external_service: false,
        })
        .collect()
    }
}
