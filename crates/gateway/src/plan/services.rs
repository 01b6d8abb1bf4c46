//! The instances of each service of a mesh, kept up to date Dataplane by Dataplane.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use portolan_model::tags::{self, PROTOCOL};

use super::{
    dataplane::{Dataplane, Instance},
    destination::Destination,
    external::Touched,
    spoken::Spoken,
};

/// Position of an instance: its Dataplane's name, then its place in it.
type Position = (Arc<str>, usize);

/// Instances by service, in the order of their Dataplanes' names.
#[derive(Clone, Debug, Default)]
pub struct Services {
    by_name: HashMap<Box<str>, BTreeMap<Position, Arc<Instance>>>,
}

impl Services {
    /// Adds the instances of a Dataplane.
    pub fn insert(&mut self, dataplane: &Arc<str>, instances: &[Arc<Instance>]) {
        for (position, instance) in instances.iter().enumerate() {
            let service = self.by_name.entry(instance.service().into()).or_default();
            service.insert((dataplane.clone(), position), instance.clone());
        }
    }

    /// Removes the instances of a Dataplane.
    pub fn remove(&mut self, dataplane: &Arc<str>, instances: &[Arc<Instance>]) {
        for (position, instance) in instances.iter().enumerate() {
            if let Some(service) = self.by_name.get_mut(instance.service()) {
                service.remove(&(dataplane.clone(), position));
                if service.is_empty() {
                    self.by_name.remove(instance.service());
                }
            }
        }
    }

    /// Says of the instances of a Dataplane whether its proxy is away; gives their services.
    pub fn set_away(&mut self, name: &Arc<str>, dataplane: &mut Dataplane, away: bool) -> Touched {
        self.remove(name, &dataplane.instances);
        dataplane.set_away(away);
        self.insert(name, &dataplane.instances);
        let instances = dataplane.instances.iter();
        instances
            .map(|instance| instance.service().into())
            .collect()
    }

    /// All services.
    pub fn names(&self) -> impl Iterator<Item = &Box<str>> {
        self.by_name.keys()
    }

    /// Whether a service has instances, healthy or not.
    pub fn has_service(&self, service: &str) -> bool {
        self.by_name.contains_key(service)
    }

    /// Whether everything that is an instance of a service speaks HTTP.
    pub fn all_speak_http(&self, service: &str) -> bool {
        let service = self.by_name.get(service);
        let mut instances = service.into_iter().flat_map(BTreeMap::values);
        instances.all(|instance| instance.spoken != Spoken::Tcp)
    }

    /// The instances that carry all tags of a destination, healthy or not.
    pub fn instances<'a>(
        &'a self,
        destination: &'a Destination,
    ) -> impl Iterator<Item = &'a Arc<Instance>> {
        let service = self.by_name.get(destination.service());
        let instances = service.into_iter().flat_map(BTreeMap::values);
        instances.filter(|instance| tags::matches(destination.tags(), &instance.tags))
    }

    /// Whether a destination is spoken to in HTTP/2: what it says itself, else what all of its
    /// instances say, and those `elsewhere`. The unhealthy count too, so that the protocol does not change
    /// with their health.
    pub fn speaks_http2(
        &self,
        destination: &Destination,
        elsewhere: impl Iterator<Item = Spoken>,
    ) -> bool {
        if let Some(protocol) = destination.tags().get(PROTOCOL) {
            return Spoken::of(protocol) == Spoken::Http2;
        }
        let instances = self.instances(destination);
        let all = instances.map(|instance| instance.spoken);
        Spoken::common(all.chain(elsewhere)) == Spoken::Http2
    }

    /// What is spoken with a destination: what it says itself, else what all instances of its service
    /// say, and those `elsewhere`. Those that it does not choose count too, so that one that has no instances
    /// for a while stays what it is.
    pub fn spoken(
        &self,
        destination: &Destination,
        elsewhere: impl Iterator<Item = Spoken>,
    ) -> Spoken {
        if let Some(protocol) = destination.tags().get(PROTOCOL) {
            return Spoken::of(protocol);
        }
        let service = self.by_name.get(destination.service());
        let instances = service.into_iter().flat_map(BTreeMap::values);
        let all = instances.map(|instance| instance.spoken);
        Spoken::common(all.chain(elsewhere))
    }
}
