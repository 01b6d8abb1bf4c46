//! The clusters that routes need, counted, so that a change costs no walk over all routes.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    sync::Arc,
};

use super::{
    action::Action,
    destination::{Destination, cluster_name},
    policy::{Chosen, Policies},
    port::Listener,
};

/// How many routes need each destination, for each listener by its position, and the policies for it.
#[derive(Debug, Default)]
pub(super) struct Needs {
    counts: BTreeMap<(usize, Arc<Destination>), Need>,
    /// Whether clusters came, went or got other policies since that was asked.
    changed: bool,
}

/// A cluster that routes need.
#[derive(Debug)]
pub(super) struct Need {
    /// Its name.
    pub(super) cluster: Arc<str>,
    /// What its connections get.
    pub(super) chosen: Arc<Chosen>,
    routes: usize,
}

impl Needs {
    /// Adds a route of a listener that does this. Gives what is chosen for the route.
    pub(super) fn add(
        &mut self,
        (position, listener): (usize, &Listener),
        action: &Action,
        policies: &Policies,
    ) -> Arc<Chosen> {
        let mut first = None;
        for destination in action.destinations() {
            let need = match self.counts.entry((position, destination.clone())) {
                Slot::Occupied(slot) => slot.into_mut(),
                Slot::Vacant(slot) => {
                    self.changed = true;
                    slot.insert(Need {
                        cluster: cluster_name(destination, &listener.tags).into(),
                        chosen: policies.choose(&listener.tags, destination).into(),
                        routes: 0,
                    })
                }
            };
            need.routes += 1;
            first.get_or_insert_with(|| need.chosen.clone());
        }
        match (first, action) {
            // Backends come before mirrors, so it is the only backend's.
            (Some(chosen), Action::Forward(forward)) if forward.backends.len() == 1 => chosen,
            _ => self.chosen(position, action),
        }
    }

    /// Removes a route that was added.
    pub(super) fn remove(&mut self, listener: usize, action: &Action) {
        for destination in action.destinations() {
            if let Slot::Occupied(mut slot) = self.counts.entry((listener, destination.clone())) {
                slot.get_mut().routes -= 1;
                if slot.get().routes == 0 {
                    slot.remove();
                    self.changed = true;
                }
            }
        }
    }

    /// Chooses anew for every destination; whether that made a difference.
    pub(super) fn choose(&mut self, listeners: &[Arc<Listener>], policies: &Policies) -> bool {
        let mut differs = false;
        for ((listener, destination), need) in &mut self.counts {
            let chosen = policies.choose(&listeners[*listener].tags, destination);
            if *need.chosen != chosen {
                need.chosen = chosen.into();
                differs = true;
            }
        }
        self.changed |= differs;
        differs
    }

    /// What is chosen for a route that was added, of what is chosen for its backends.
    pub(super) fn chosen(&self, listener: usize, action: &Action) -> Arc<Chosen> {
        let of = |destination: &Arc<Destination>| {
            let need = self.counts.get(&(listener, destination.clone()));
            need.map(|need| need.chosen.clone()).unwrap_or_default()
        };
        match action {
            Action::Redirect(_) => Arc::default(),
            Action::Forward(forward) => match &*forward.backends {
                [only] => of(&only.destination),
                several => {
                    let backends = several.iter().map(|backend| &backend.destination);
                    let backends: Vec<_> = backends.map(|to| (&**to, of(to))).collect();
                    Chosen::of_split(&backends).into()
                }
            },
        }
    }

    /// Whether clusters came, went or got other policies since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The clusters, with their destinations; one that two listeners need comes twice.
    pub(super) fn clusters(&self) -> impl Iterator<Item = (&Arc<Destination>, &Need)> {
        let needs = self.counts.iter();
        needs.map(|((_, destination), need)| (destination, need))
    }
}
