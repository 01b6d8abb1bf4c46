//! All resources in memory, as immutable snapshots.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Kind, Resource, ResourceKey, Revision};
use tokio::sync::watch;

use crate::batch::Watermark;

/// The newest [`Snapshot`] of a store, for every reader.
#[derive(Debug)]
pub struct Index {
    current: watch::Sender<Arc<Snapshot>>,
}

impl Index {
    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// The newest snapshot, and every newer one: a level, not a queue.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.subscribe()
    }
}

/// Everything that a store held at one revision. Cheap to keep; it shares what did not change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    store_id: Arc<str>,
    revision: Revision,
    watermark: Option<Watermark>,
    kinds: BTreeMap<Kind, ()>,
}

/// What a key became at a revision.
#[derive(Clone, Debug)]
pub enum Change {
    /// It was written.
    Put(Arc<Resource>),
    /// It was removed at the revision.
    Deleted(ResourceKey, Revision),
}

impl Change {
    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put(resource) => resource.revision,
            Self::Deleted(_, revision) => *revision,
        }
    }

    /// The key that changed.
    pub fn key(&self) -> &ResourceKey {
        match self {
            Self::Put(resource) => &resource.key,
            Self::Deleted(key, _) => key,
        }
    }
}

impl Snapshot {
    /// Identity of the store: made once, when its database was made.
    pub fn store_id(&self) -> &str {
        &self.store_id
    }

    /// Every change up to it is in here.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// On a zone: the global's revision that this reflects.
    pub fn watermark(&self) -> Option<&Watermark> {
        self.watermark.as_ref()
    }

    /// One resource.
    pub fn get(&self, _key: &ResourceKey) -> Option<&Arc<Resource>> {
        None
    }

    /// Resources of a kind, of one mesh or of all, ordered by mesh and name.
    pub fn list<'a>(&'a self, _kind: Kind, _mesh: Option<&'a str>) -> impl Iterator<Item = &'a Arc<Resource>> {
        std::iter::empty()
    }

    /// How many [`Snapshot::list`] would give, without walking them where `mesh` is `None`.
    pub fn count(&self, _kind: Kind, _mesh: Option<&str>) -> usize {
        self.kinds.len()
    }

    /// The last change of every key of the kind that changed after `revision`, in revision order: the
    /// difference from then to now, intermediate states skipped. Deletions are known back to
    /// [`Snapshot::horizon`]; a reader from before it must list instead.
    pub fn changes_after(&self, _kind: Kind, _revision: Revision) -> impl Iterator<Item = Change> + '_ {
        std::iter::empty()
    }

    /// Deletions up to this revision have been forgotten.
    pub fn horizon(&self) -> Revision {
        0
    }
}
