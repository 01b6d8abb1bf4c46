//! Services of other zones, which are reached through their ZoneIngresses.
//!
//! ```text
//!   ZoneIngress ─▶ read: for each mesh, its Remotes ─▶ RemoteServices: by service
//!                                                          │
//!                                  Destination ─▶ spread: one endpoint for each address, with weights
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use portolan_model::{
    Resource, labels,
    tags::{self, PROTOCOL, SERVICE, Tags},
};
use portolan_proto::mesh::ZoneIngress;

use super::{
    dataplane::in_zone,
    destination::Destination,
    external::Touched,
    spoken::Spoken,
    spread::{Behind, Spread},
};
use crate::fault::{Fault, Reason};

/// Instances of a service in another zone that have equal tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Their zone.
    pub zone: Arc<str>,
    /// Where that zone lets others in, or why it cannot be reached.
    pub address: Result<SocketAddr, Box<Fault>>,
    /// Their tags, `kuma.io/zone` among them.
    pub tags: Tags,
    /// How many there are.
    pub instances: u32,
}

impl Remote {
    fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }

    fn spoken(&self) -> Spoken {
        Spoken::of(self.tags.get(PROTOCOL).map_or("", String::as_str))
    }
}

/// What a ZoneIngress of another zone offers, by mesh.
pub type Offer = BTreeMap<Arc<str>, Vec<Remote>>;

/// The zone of a ZoneIngress; nothing if it does not say.
pub fn zone_of(resource: &Resource, spec: &ZoneIngress) -> Option<Arc<str>> {
    let label = || resource.labels.get(labels::ZONE).map(String::as_str);
    let zone = Some(&*spec.zone).filter(|zone| !zone.is_empty());
    zone.or_else(label).map(Arc::from)
}

/// Reads a ZoneIngress of another zone. One without an address for others offers nothing yet.
pub fn read(resource: &Resource, zone: &Arc<str>, spec: ZoneIngress) -> Offer {
    let mut offer = Offer::new();
    let networking = spec.networking.unwrap_or_default();
    let (host, port) = (networking.advertised_address, networking.advertised_port);
    if host.is_empty() || port == 0 {
        return offer;
    }
    let address = socket_address(&host, port)
        .map_err(|(field, reason)| Box::new(Fault::of(resource, field, reason)));
    for service in spec.available_services {
        let remote = Remote {
            zone: zone.clone(),
            address: address.clone(),
            tags: in_zone(service.tags, zone),
            instances: service.instances,
        };
        if remote.instances > 0 && !remote.service().is_empty() {
            offer.entry(service.mesh.into()).or_default().push(remote);
        }
    }
    offer
}

fn socket_address(host: &str, port: u32) -> Result<SocketAddr, (&'static str, Reason)> {
    let address: IpAddr = host.parse().map_err(|_| {
        let reason = Reason::Address(host.to_owned());
        ("networking.advertisedAddress", reason)
    })?;
    let port =
        u16::try_from(port).map_err(|_| ("networking.advertisedPort", Reason::Port(port)))?;
    Ok(SocketAddr::new(address, port))
}

/// Instances of one service, by the name of the ZoneIngress that offers them.
type ByIngress = BTreeMap<Arc<str>, Box<[Remote]>>;

/// Services of a mesh in other zones, kept up to date ZoneIngress by ZoneIngress.
#[derive(Clone, Debug, Default)]
pub struct RemoteServices {
    /// By service, then by the name of the ZoneIngress.
    by_service: HashMap<Box<str>, ByIngress>,
    services: BTreeMap<Arc<str>, BTreeSet<Box<str>>>,
}

impl RemoteServices {
    /// Takes over what a ZoneIngress offers now; gives the services of which something changed.
    pub fn set(&mut self, ingress: &Arc<str>, remotes: Vec<Remote>) -> Touched {
        let mut new: BTreeMap<Box<str>, Vec<Remote>> = BTreeMap::new();
        for remote in remotes {
            new.entry(remote.service().into()).or_default().push(remote);
        }
        let names: BTreeSet<Box<str>> = new.keys().cloned().collect();
        let before = match names.is_empty() {
            true => self.services.remove(ingress),
            false => self.services.insert(ingress.clone(), names.clone()),
        };
        let mut touched = Touched::new();
        for service in before.unwrap_or_default().union(&names) {
            let of_service = self.by_service.entry(service.clone()).or_default();
            let before = match new.remove(service) {
                Some(new) if of_service.get(ingress).is_some_and(|old| **old == *new) => continue,
                Some(new) => of_service.insert(ingress.clone(), new.into()),
                None => of_service.remove(ingress),
            };
            drop(before);
            if of_service.is_empty() {
                self.by_service.remove(service);
            }
            touched.insert(service.clone());
        }
        touched
    }

    /// Whether some other zone has a service.
    pub fn has_service(&self, service: &str) -> bool {
        self.by_service.contains_key(service)
    }

    /// Whether all instances of a service in other zones speak HTTP.
    pub(crate) fn all_speak_http(&self, service: &str) -> bool {
        let offered = self.by_service.get(service);
        let mut remotes = offered.into_iter().flat_map(BTreeMap::values).flatten();
        remotes.all(|remote| remote.spoken() != Spoken::Tcp)
    }

    /// The instances that carry all tags of a destination, with the names of their ZoneIngresses.
    fn of<'a>(
        &'a self,
        destination: &'a Destination,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Remote)> {
        let offered = self.by_service.get(destination.service());
        let offered = offered.into_iter().flatten();
        let remotes = offered.flat_map(|(ingress, all)| all.iter().map(move |one| (ingress, one)));
        remotes.filter(|(_, remote)| tags::matches(destination.tags(), &remote.tags))
    }

    /// What the instances of a destination speak; of all of its service where `whole`.
    pub(crate) fn spoken<'a>(
        &'a self,
        destination: &'a Destination,
        whole: bool,
    ) -> impl Iterator<Item = Spoken> + 'a {
        let offered = self.by_service.get(destination.service());
        let remotes = offered.into_iter().flat_map(BTreeMap::values).flatten();
        let meant =
            move |remote: &&Remote| whole || tags::matches(destination.tags(), &remote.tags);
        remotes.filter(meant).map(Remote::spoken)
    }

    /// How connections spread over the instances of a destination in other zones, those in `except` left
    /// out. Why some cannot be reached is added to `faults`.
    pub fn spread(
        &self,
        destination: &Destination,
        except: impl Fn(&str) -> bool,
        faults: &mut Vec<Fault>,
    ) -> Spread {
        let mut zones: BTreeMap<Arc<str>, BTreeMap<SocketAddr, Behind<'_>>> = BTreeMap::new();
        for (ingress, remote) in self.of(destination).filter(|(_, one)| !except(&one.zone)) {
            let at = match &remote.address {
                Ok(at) => *at,
                Err(fault) => {
                    faults.push((**fault).clone());
                    continue;
                }
            };
            let zone = zones.entry(remote.zone.clone()).or_default();
            let behind = zone
                .entry(at)
                .or_insert_with(|| Behind::new(ingress, remote));
            behind.add(ingress, remote);
        }
        Spread::over(zones)
    }
}
