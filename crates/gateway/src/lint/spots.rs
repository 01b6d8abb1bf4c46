//! Where entries compete: by hostname and path, so that a route is compared with its like and with no others.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use portolan_model::hostname::Hostname;

use crate::plan::{entry::Entry, matching::PathMatch, route::HttpRoute};

/// A hostname of a route, nothing for a route without, and a path.
type Spot = (Option<Hostname>, PathMatch);

/// All entries of a mesh by where they compete, each spot's in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spots {
    entries: HashMap<Spot, BTreeSet<Arc<Entry>>>,
}

impl Spots {
    /// Adds the entries of a route.
    pub(crate) fn insert(&mut self, route: &HttpRoute) {
        for (spot, entry) in spots(route) {
            self.entries.entry(spot).or_default().insert(entry.clone());
        }
    }

    /// Removes the entries of a route that was added.
    pub(crate) fn remove(&mut self, route: &HttpRoute) {
        for (spot, entry) in spots(route) {
            if let Some(entries) = self.entries.get_mut(&spot) {
                entries.remove(entry);
                if entries.is_empty() {
                    self.entries.remove(&spot);
                }
            }
        }
    }

    /// The entries at a spot.
    pub(super) fn at(&self, spot: &Spot) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.get(spot).into_iter().flatten()
    }
}

fn spots(route: &HttpRoute) -> impl Iterator<Item = (Spot, &Arc<Entry>)> {
    hosts(route).into_iter().flat_map(|host| {
        let entries = route.entries.iter();
        entries.map(move |entry| ((host.cloned(), entry.matching.path.clone()), entry))
    })
}

/// The hostnames of a route, or nothing in place of one.
pub(super) fn hosts(route: &HttpRoute) -> Vec<Option<&Hostname>> {
    if route.hostnames.is_empty() {
        vec![None]
    } else {
        route.hostnames.iter().map(Some).collect()
    }
}
