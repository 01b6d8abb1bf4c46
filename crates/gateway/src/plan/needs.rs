//! The clusters that routes need, counted, so that a change costs no walk over all routes.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    sync::Arc,
};

use super::{
    destination::{Destination, cluster_name},
    table::Route,
};

/// How many routes need each destination, for each listener by its position.
#[derive(Debug, Default)]
pub(super) struct Needs {
    counts: BTreeMap<(usize, Arc<Destination>), Need>,
}

#[derive(Debug)]
struct Need {
    cluster: Arc<str>,
    routes: usize,
}

impl Needs {
    /// Adds a route of a listener; whether it needs a cluster that none needed before.
    pub(super) fn add(&mut self, listener: usize, route: &Route) -> bool {
        let mut new = false;
        for destination in route.entry.action.destinations() {
            match self.counts.entry((listener, destination.clone())) {
                Slot::Occupied(mut slot) => slot.get_mut().routes += 1,
                Slot::Vacant(slot) => {
                    let cluster = cluster_name(destination, &route.listener.tags).into();
                    slot.insert(Need { cluster, routes: 1 });
                    new = true;
                }
            }
        }
        new
    }

    /// Removes a route that was added; whether some cluster is needed no more.
    pub(super) fn remove(&mut self, listener: usize, route: &Route) -> bool {
        let mut gone = false;
        for destination in route.entry.action.destinations() {
            if let Slot::Occupied(mut slot) = self.counts.entry((listener, destination.clone())) {
                slot.get_mut().routes -= 1;
                if slot.get().routes == 0 {
                    slot.remove();
                    gone = true;
                }
            }
        }
        gone
    }

    /// Names and destinations of the clusters; one that two listeners need comes twice.
    pub(super) fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Destination>)> {
        self.counts
            .iter()
            .map(|((_, destination), need)| (&need.cluster, destination))
    }
}
