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

/// Every step works on one snapshot until it is through with it, then takes the newest that all steps before
/// it are through with. So each snapshot is brought out as a whole, intermediate ones are skipped, a stream of
/// changes starves no step, and there are never more than two snapshots a step.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    newest: Option<Arrived>,
    progress: [Progress; COUNT],
}

#[derive(Debug, Default)]
struct Progress {
    current: Option<Arrived>,
    done: Option<Arrived>,
    /// Whether the proxy refused something of what is done.
    refused: bool,
}

/// Where a resource that the current snapshot of a step lacks is found instead.
pub(super) enum Elsewhere {
    /// In a snapshot that later steps still work on, or that the step itself was at before.
    Older(Resource),
    /// In one that has not come so far.
    Newer,
    Nowhere,
}

impl Rollout {
    /// A new snapshot has arrived.
    pub(super) fn arrive(&mut self, snapshot: Arc<Snapshot>) {
        let order = self.newest.as_ref().map_or(0, |newest| newest.order + 1);
        self.newest = Some(Arrived { order, snapshot });
    }

    /// What a step should work on now.
    pub(super) fn take_up(&mut self, id: Id) -> Option<Arrived> {
        let available = self.available(id)?.clone();
        let progress = &mut self.progress[id as usize];
        let busy = progress.order() > progress.done.as_ref().map(|done| done.order);
        if !busy && progress.order() < Some(available.order) {
            progress.current = Some(available);
        }
        progress.current.clone()
    }

    /// Notes that a step is through with what it works on, and whether the proxy refused some of that.
    /// Returns whether there is something newer to take up.
    pub(super) fn finish(&mut self, id: Id, refused: bool) -> bool {
        let available = self.available(id).map(|available| available.order);
        let progress = &mut self.progress[id as usize];
        progress.done.clone_from(&progress.current);
        progress.refused = refused;
        progress.order() < available
    }

    /// What a step works on or was last at.
    pub(super) fn current(&self, id: Id) -> Option<&Arrived> {
        self.progress[id as usize].current.as_ref()
    }

    /// The newest snapshot that all steps are through with.
    pub(super) fn finished(&self) -> Option<&Arrived> {
        oldest(self.progress.iter().map(|progress| progress.done.as_ref()))
    }

    /// Whether the proxy holds back from something because it refused it.
    pub(super) fn is_refused(&self) -> bool {
        self.progress.iter().any(|progress| progress.refused)
    }

    /// Whether a snapshot newer than this has the resource.
    pub(super) fn comes(&self, than: u64, type_url: &str, name: &str) -> bool {
        self.live()
            .any(|live| live.order > than && live.find(type_url, name).is_some())
    }

    /// Where a resource is that a step's snapshot lacks.
    pub(super) fn elsewhere(&self, than: u64, type_url: &str, name: &str) -> Elsewhere {
        let with = self
            .live()
            .filter_map(|live| Some((live.order, live.find(type_url, name)?)));
        match with.max_by_key(|(order, _)| *order) {
            Some((order, _)) if order > than => Elsewhere::Newer,
            Some((_, resource)) => Elsewhere::Older(resource.clone()),
            None => Elsewhere::Nowhere,
        }
    }

    /// The newest that all steps before this one are through with.
    fn available(&self, id: Id) -> Option<&Arrived> {
        match STEPS[id as usize].after {
            [] => self.newest.as_ref(),
            after => oldest(
                after
                    .iter()
                    .map(|id| self.progress[*id as usize].done.as_ref()),
            ),
        }
    }

    fn live(&self) -> impl Iterator<Item = &Arrived> {
        let held = self
            .progress
            .iter()
            .flat_map(|progress| [&progress.current, &progress.done]);
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

/// The oldest of them; `None` if one is missing.
fn oldest<'a>(all: impl Iterator<Item = Option<&'a Arrived>>) -> Option<&'a Arrived> {
    let all: Option<Vec<&Arrived>> = all.collect();
    all?.into_iter().min_by_key(|arrived| arrived.order)
}
