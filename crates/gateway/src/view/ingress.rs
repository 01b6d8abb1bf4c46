//! The ZoneIngresses of the zone and what was compiled for them: clusters of members that others are let in
//! to, kept service by service, and one listener for each place.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use super::{
    Mesh, Sources, ZoneView,
    resources::{replace, take_out},
};
use crate::{
    compiled::{Compiled, Resources},
    envoy,
    fault::Fault,
    plan::{
        destination::Destination,
        ingress::{Ingress, Passage},
        spread::Spread,
    },
};

/// All ZoneIngresses that the zone knows.
#[derive(Debug, Default)]
pub(super) struct Ingresses {
    own: BTreeMap<Arc<str>, Ingress>,
    /// The meshes that those of other zones offer services of.
    offered: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    inner: Inner,
    /// By place; emptied when anything changes.
    compiled: BTreeMap<Ingress, Arc<Compiled>>,
}

/// What all of the own have in common.
#[derive(Debug, Default)]
struct Inner {
    clusters: Resources,
    load_assignments: Resources,
}

/// What other zones are let in to of one mesh.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    stale: Stale,
    /// By service.
    passages: BTreeMap<Box<str>, Vec<Passage>>,
    faults: BTreeMap<Box<str>, Vec<Fault>>,
}

/// What changed since it was compiled.
#[derive(Debug, Default)]
enum Stale {
    #[default]
    Everything,
    Services(BTreeSet<Box<str>>),
}

impl Ingresses {
    /// Takes over one of the own zone, or forgets it.
    pub(super) fn set(&mut self, name: &Arc<str>, ingress: Option<Ingress>) {
        match ingress {
            Some(ingress) => self.own.insert(name.clone(), ingress),
            None => self.own.remove(name),
        };
    }

    /// Takes over which meshes one of another zone offers services of; gives those of before.
    pub(super) fn offered(
        &mut self,
        name: &Arc<str>,
        meshes: BTreeSet<Arc<str>>,
    ) -> BTreeSet<Arc<str>> {
        let before = match meshes.is_empty() {
            true => self.offered.remove(name),
            false => self.offered.insert(name.clone(), meshes),
        };
        before.unwrap_or_default()
    }
}

impl Entrance {
    /// Instances of these services, or what of them can be asked for, changed.
    pub(super) fn services_changed(&mut self, services: &BTreeSet<&str>) {
        if let Stale::Services(stale) = &mut self.stale {
            stale.extend(services.iter().map(|service| Box::from(*service)));
        }
    }

    /// The mutual TLS of the mesh changed.
    pub(super) fn mtls_changed(&mut self) {
        self.stale = Stale::Everything;
    }

    /// Takes over what changed; whether that made a difference.
    fn refresh(
        &mut self,
        mesh: &Arc<str>,
        sources: &Sources,
        zone: &str,
        inner: &mut Inner,
    ) -> bool {
        let stale = mem::replace(&mut self.stale, Stale::Services(BTreeSet::new()));
        let services = match stale {
            Stale::Services(services) => services,
            Stale::Everything => {
                let known = self.passages.keys();
                known.chain(sources.services.names()).cloned().collect()
            }
        };
        let mut differs = false;
        for service in services {
            differs |= self.open(mesh, &service, sources, zone, inner);
        }
        differs
    }

    /// Lets others in to a service, if any of its instances can take them.
    fn open(
        &mut self,
        mesh: &Arc<str>,
        service: &str,
        sources: &Sources,
        zone: &str,
        inner: &mut Inner,
    ) -> bool {
        let passages = passages(mesh, service, sources);
        let before = self.passages.remove(service).unwrap_or_default();
        let mut differs = before != passages;
        for gone in before.iter().filter(|gone| !passages.contains(gone)) {
            take_out(&mut inner.clusters, &gone.cluster);
            take_out(&mut inner.load_assignments, &gone.cluster);
        }
        let mut faults = Vec::new();
        for passage in &passages {
            let instances = sources.services.instances(&passage.destination);
            let endpoints = envoy::Endpoints {
                zone,
                own: instances.map(|instance| &**instance),
                elsewhere: &Spread::default(),
                prefers_own_zone: false,
            };
            let name = &passage.cluster;
            let assignment = envoy::load_assignment(name, endpoints, &mut faults);
            let cluster = envoy::ingress_cluster(passage);
            differs |= replace(&mut inner.clusters, name.clone(), cluster);
            differs |= replace(&mut inner.load_assignments, name.clone(), assignment);
        }
        let told = match faults.is_empty() {
            true => self.faults.remove(service),
            false => self.faults.insert(service.into(), faults.clone()),
        };
        differs |= told.unwrap_or_default() != faults;
        if !passages.is_empty() {
            self.passages.insert(service.into(), passages);
        }
        differs
    }
}

/// The ways to a service: to all of its instances, and to those that routes tell apart.
fn passages(mesh: &Arc<str>, service: &str, sources: &Sources) -> Vec<Passage> {
    // Without mutual TLS nobody says whom they want, and nobody proves who they are.
    let tags = [(portolan_model::tags::SERVICE.to_owned(), service.to_owned())];
    let Some(whole) = Destination::new(tags.into()).filter(|_| sources.mtls.is_some()) else {
        return Vec::new();
    };
    let named = sources.named.of(service).cloned();
    let all = std::iter::once(Arc::new(whole)).chain(named);
    let serves = |destination: &Arc<Destination>| {
        let mut instances = sources.services.instances(destination);
        instances.any(|instance| instance.healthy && instance.address.is_ok())
    };
    all.filter(serves)
        .map(|destination| Passage::to(mesh, destination))
        .collect()
}

impl ZoneView {
    /// The configuration of the proxy of a ZoneIngress; nothing if the zone has none of this name.
    pub(super) fn compile_ingress(&mut self, name: &str) -> Option<Arc<Compiled>> {
        let Ingresses {
            own,
            inner,
            compiled,
            ..
        } = &mut self.ingresses;
        let ingress = own.get(name)?;
        for (mesh, of_mesh) in &mut self.meshes {
            let Mesh {
                entrance, sources, ..
            } = of_mesh;
            if entrance.refresh(mesh, sources, &self.zone, inner) {
                compiled.clear();
            }
        }
        if let Some(compiled) = compiled.get(ingress) {
            return Some(compiled.clone());
        }
        let entrances = || self.meshes.values().map(|mesh| &mesh.entrance);
        let passages = entrances().flat_map(|entrance| entrance.passages.values().flatten());
        let listener = envoy::ingress_listener(ingress, passages);
        let listeners = BTreeMap::from([(ingress.listener_name().into(), listener)]);
        let faults: BTreeSet<Fault> = entrances()
            .flat_map(|entrance| entrance.faults.values().flatten().cloned())
            .collect();
        let made = Arc::new(Compiled {
            // No gateway, and so counted where members are.
            is_member: true,
            resources: BTreeMap::from([
                (envoy::CLUSTER, inner.clusters.clone()),
                (
                    envoy::CLUSTER_LOAD_ASSIGNMENT,
                    inner.load_assignments.clone(),
                ),
                (envoy::LISTENER, Arc::new(listeners)),
                (envoy::ROUTE_CONFIGURATION, Resources::default()),
                (envoy::RUNTIME_LAYER, Resources::default()),
                (envoy::SECRET, Resources::default()),
            ]),
            faults: faults.into_iter().collect(),
            ..Compiled::default()
        });
        compiled.insert(ingress.clone(), made.clone());
        Some(made)
    }
}
