//! Destinations that routes name by more than their service: what a ZoneIngress tells apart, and so what
//! other zones can be asked for. All zones know the routes, but not each other's Dataplanes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::tags::ANY;

use super::{destination::Destination, external::Touched};

/// Those of one mesh, kept up to date route by route.
#[derive(Debug, Default)]
pub struct Named {
    by_route: BTreeMap<Arc<str>, BTreeSet<Arc<Destination>>>,
    /// By service, and how many routes name each.
    by_service: BTreeMap<Box<str>, BTreeMap<Arc<Destination>, usize>>,
}

impl Named {
    /// Takes over the destinations of a route; gives the services of which others are named now.
    pub fn set<'a>(
        &mut self,
        route: &Arc<str>,
        destinations: impl Iterator<Item = &'a Arc<Destination>>,
    ) -> Touched {
        // A name with a star in it would be for many.
        let is_exact = |one: &&Arc<Destination>| !one.tags().values().any(|value| value == ANY);
        let destinations = destinations
            .filter(|one| one.tags().len() > 1)
            .filter(is_exact);
        let new: BTreeSet<_> = destinations.cloned().collect();
        let before = match new.is_empty() {
            true => self.by_route.remove(route),
            false => self.by_route.insert(route.clone(), new.clone()),
        };
        let before = before.unwrap_or_default();
        let mut touched = Touched::new();
        for added in new.difference(&before) {
            let service: Box<str> = added.service().into();
            let of_service = self.by_service.entry(service.clone()).or_default();
            let count = of_service.entry(added.clone()).or_default();
            *count += 1;
            if *count == 1 {
                touched.insert(service);
            }
        }
        for gone in before.difference(&new) {
            let Some(of_service) = self.by_service.get_mut(gone.service()) else {
                continue;
            };
            if let Some(count) = of_service.get_mut(gone) {
                *count -= 1;
                if *count == 0 {
                    of_service.remove(gone);
                    touched.insert(gone.service().into());
                }
            }
            if of_service.is_empty() {
                self.by_service.remove(gone.service());
            }
        }
        touched
    }

    /// Whether other zones can be asked for a destination.
    pub fn has(&self, destination: &Destination) -> bool {
        let of_service = || self.by_service.get(destination.service());
        destination.tags().len() == 1
            || of_service().is_some_and(|named| named.contains_key(destination))
    }

    /// The destinations of a service.
    pub fn of(&self, service: &str) -> impl Iterator<Item = &Arc<Destination>> {
        let of_service = self.by_service.get(service);
        of_service.into_iter().flat_map(BTreeMap::keys)
    }
}
