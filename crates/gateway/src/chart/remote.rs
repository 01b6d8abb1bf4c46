//! How gateways reach the services of other zones.

use std::{collections::BTreeSet, sync::Arc};

use portolan_model::Resource;
use portolan_proto::{mesh::ZoneIngress, system::Zone};

use super::{Chart, Charts, Fleet};
use crate::plan::{
    destination::Destination,
    remote::{self, Offer, RemoteServices},
    spread::Spread,
};

/// What a chart knows of other zones.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere {
    /// Of all zones, the gateways' own among them.
    services: RemoteServices,
    /// Zones that the others do not reach.
    pub(super) disabled: Arc<BTreeSet<Arc<str>>>,
}

impl Elsewhere {
    /// The services of all zones.
    pub(super) fn services(&self) -> &RemoteServices {
        &self.services
    }
}

impl Charts {
    /// Takes over a ZoneIngress, or forgets it.
    pub(super) fn set_ingress(&mut self, name: &Arc<str>, resource: Option<&Resource>) {
        let read = |resource: &Resource| {
            // Stores hold only specs that are messages of their kind.
            let spec: ZoneIngress = resource.spec_as().ok()?;
            let zone = remote::zone_of(resource, &spec)?;
            Some(remote::read(resource, &zone, spec))
        };
        let mut offer: Offer = resource.and_then(read).unwrap_or_default();
        let meshes: BTreeSet<_> = offer.keys().cloned().collect();
        let before = self.offered.insert(name.clone(), meshes.clone());
        for mesh in before.unwrap_or_default().union(&meshes) {
            let remotes = offer.remove(mesh).unwrap_or_default();
            let chart = self.chart(mesh);
            for service in chart.elsewhere.services.set(name, remotes) {
                chart.place_policies(&service);
            }
        }
        if meshes.is_empty() {
            self.offered.remove(name);
        }
    }

    /// Takes over a Zone, or forgets it.
    pub(super) fn set_zone(&mut self, name: &Arc<str>, resource: Option<&Resource>) {
        let spec = resource.and_then(|resource| resource.spec_as::<Zone>().ok());
        let enabled = spec.and_then(|zone| zone.enabled);
        let is_disabled = enabled.is_some_and(|enabled| !enabled.value);
        if is_disabled == self.disabled.contains(name) {
            return;
        }
        let disabled = Arc::make_mut(&mut self.disabled);
        match is_disabled {
            true => disabled.insert(name.clone()),
            false => disabled.remove(name),
        };
        for chart in self.meshes.values_mut() {
            Arc::make_mut(chart).elsewhere.disabled = self.disabled.clone();
        }
    }
}

impl Chart {
    /// Whether other zones offer an instance of a destination.
    pub(super) fn is_elsewhere(&self, destination: &Destination) -> bool {
        let spread = self
            .elsewhere
            .services
            .spread(destination, |_| false, &mut Vec::new());
        !spread.endpoints.is_empty()
    }

    /// Where the gateway instances of a fleet reach the instances of a destination in other zones, and
    /// whether these wait until the own zone has none.
    pub(crate) fn elsewhere(&self, fleet: &Fleet, destination: &Destination) -> (Spread, bool) {
        let Elsewhere { services, disabled } = &self.elsewhere;
        let (Some(mtls), Some(own)) = (&self.mtls, fleet.zone.as_deref()) else {
            return (Spread::default(), false);
        };
        let except = |zone: &str| zone == own || disabled.contains(zone);
        let spread = services.spread(destination, except, &mut Vec::new());
        (spread, mtls.prefers_own_zone)
    }
}
