//! How far a proxy has come on its way through the steps, and with which snapshots.

use std::sync::Arc;

use crate::{
    order::{COUNT, Id, STEPS},
    resource::{Resource, Snapshot},
};

/// A snapshot and its place in the order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) order: u64,
    pub(super) snapshot: Arc<Snapshot>,
}

/// Every step works on one snapshot until it is through with it, then takes the one that the step before it
/// was through with last. So each snapshot is brought out as a whole, intermediate ones are skipped, a stream of
/// changes starves no step, and there are never more than two snapshots a step.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    newest: Option<Arrived>,
    progress: [Progress; COUNT],
    /// The newest of which the proxy refused something.
    refused: Option<u64>,
}

#[derive(Debug, Default)]
struct Progress {
    current: Option<Arrived>,
    /// Whether everything of `current` is sent and answered, as far as the proxy wants it.
    through: bool,
    /// What it was last through with.
    done: Option<Arrived>,
}

/// Where a resource is that the current snapshot of a step lacks.
pub(super) enum Elsewhere {
    /// In another snapshot that the proxy is being brought to, so that it may need it.
    There(Resource),
    /// In one to which this step comes later.
    Later,
    Nowhere,
}

impl Rollout {
    /// A new snapshot has arrived.
    pub(super) fn arrive(&mut self, snapshot: Arc<Snapshot>) {
        let order = self.newest.as_ref().map_or(0, |newest| newest.order + 1);
        self.newest = Some(Arrived { order, snapshot });
    }

    /// What a step should work on now; `None` if it must wait for those before it.
    pub(super) fn take_up(&mut self, id: Id) -> Option<Arrived> {
        if self.is_held_up(id) {
            return None;
        }
        let available = self.available(id)?.clone();
        let keeps_up = self.keeps_up(id);
        let progress = &mut self.progress[id as usize];
        if progress.current.is_none()
            || progress.through && keeps_up && progress.order() < Some(available.order)
        {
            progress.current = Some(available);
            progress.through = false;
        }
        progress.current.clone()
    }

    /// Notes that a step has still to do with what it works on; perhaps again, since the proxy wants more.
    pub(super) fn stay(&mut self, id: Id) {
        self.progress[id as usize].through = false;
    }

    /// Notes that a step is through with what it works on, and whether the proxy refused some of that.
    /// Returns whether it was not before.
    pub(super) fn finish(&mut self, id: Id, refused: bool) -> bool {
        let progress = &mut self.progress[id as usize];
        let moved = !std::mem::replace(&mut progress.through, true);
        progress.done.clone_from(&progress.current);
        let order = progress.order();
        if refused {
            self.refused = self.refused.max(order);
        }
        moved
    }

    /// What a step works on or was last at.
    pub(super) fn current(&self, id: Id) -> Option<&Arrived> {
        self.progress[id as usize].current.as_ref()
    }

    /// The newest snapshot that all steps are through with, or with a newer one; `None` if the proxy refused
    /// something of it.
    pub(super) fn finished(&self) -> Option<&Arrived> {
        let done: Option<Vec<_>> = self
            .progress
            .iter()
            .map(|progress| progress.done.as_ref())
            .collect();
        let finished = done?.into_iter().min_by_key(|done| done.order)?;
        (!self.is_refused(finished.order)).then_some(finished)
    }

    /// Whether the proxy has refused something of this snapshot or a newer one.
    pub(super) fn is_refused(&self, order: u64) -> bool {
        self.refused >= Some(order)
    }

    /// Whether a snapshot newer than this has the resource.
    pub(super) fn comes(&self, than: u64, type_url: &str, name: &str) -> bool {
        self.live()
            .any(|live| live.order > than && live.find(type_url, name).is_some())
    }

    /// Where a resource is that the current snapshot of a step lacks.
    pub(super) fn elsewhere(&self, id: Id, type_url: &str, name: &str) -> Elsewhere {
        let current = self.progress[id as usize].order();
        // Steps that wait for others may be behind those that do not, and the proxy with them.
        let behind = STEPS
            .iter()
            .filter(|step| step.does.makes() && step.after.is_some() && step.id != id);
        let with = self
            .live_at(behind.map(|step| step.id))
            .filter_map(|live| Some((live.order, live.find(type_url, name)?)));
        match with.max_by_key(|(order, _)| *order) {
            Some((order, _)) if STEPS[id as usize].after.is_some() && Some(order) > current => {
                Elsewhere::Later
            }
            Some((_, resource)) => Elsewhere::There(resource.clone()),
            None => Elsewhere::Nowhere,
        }
    }

    /// Whether the step that goes with this one is through with what this one was at last.
    fn keeps_up(&self, id: Id) -> bool {
        STEPS[id as usize].with.is_none_or(|with| {
            let with = &self.progress[with as usize];
            with.through && with.order() == self.progress[id as usize].order()
        })
    }

    /// Whether a step before this one has to do again with what it had been through with.
    fn is_held_up(&self, id: Id) -> bool {
        STEPS[id as usize].after.is_some_and(|earlier| {
            let progress = &self.progress[earlier as usize];
            let done = progress.done.as_ref().map(|done| done.order);
            !progress.through && progress.order() == done || self.is_held_up(earlier)
        })
    }

    /// What a step may take up.
    fn available(&self, id: Id) -> Option<&Arrived> {
        match STEPS[id as usize].after {
            None => self.newest.as_ref(),
            Some(earlier) => self.progress[earlier as usize].done.as_ref(),
        }
    }

    fn live(&self) -> impl Iterator<Item = &Arrived> {
        self.live_at(STEPS.iter().map(|step| step.id))
    }

    fn live_at(&self, steps: impl Iterator<Item = Id>) -> impl Iterator<Item = &Arrived> {
        let progress = steps.map(|id| &self.progress[id as usize]);
        let held = progress.flat_map(|progress| [&progress.current, &progress.done]);
        held.chain([&self.newest]).flatten()
    }
}

impl Progress {
    fn order(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.order)
    }
}

impl Arrived {
    fn find(&self, type_url: &str, name: &str) -> Option<&Resource> {
        self.snapshot.types.get(type_url)?.get(name)
    }
}
