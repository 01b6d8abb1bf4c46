//! All resources in memory, as immutable snapshots.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};
use jiff::Timestamp;
use portolan_model::{Kind, Resource, ResourceKey, Revision};
use tokio::sync::watch;

use crate::batch::Watermark;

/// How many deletions are remembered for readers that catch up; beyond it the older half is forgotten.
#[derive(Clone, Copy, Debug)]
struct Remembered(usize);

impl Default for Remembered {
    fn default() -> Self {
        Self(20_000)
    }
}

/// The newest [`Snapshot`] of a store, for every reader.
#[derive(Debug)]
pub struct Index {
    current: watch::Sender<Arc<Snapshot>>,
}

impl Index {
    /// An index that begins with `snapshot`.
    pub(crate) fn new(snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            current: watch::Sender::new(Arc::new(snapshot)),
        })
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// The newest snapshot, and every newer one: a level, not a queue.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.subscribe()
    }

    /// Replaces the newest snapshot.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.current.send_replace(Arc::new(snapshot));
    }
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

/// Everything that a store held at one revision. Cheap to keep; it shares what did not change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    store_id: Arc<str>,
    revision: Revision,
    horizon: Revision,
    watermark: Option<Watermark>,
    kinds: OrdMap<Kind, Collection>,
    tombstones: OrdMap<Revision, ResourceKey>,
    remembered: Remembered,
}

/// All resources of one kind.
#[derive(Clone, Debug, Default)]
struct Collection {
    /// By mesh and name.
    resources: OrdMap<(Arc<str>, Arc<str>), Arc<Resource>>,
    /// The last change of every key, by revision: of those that exist, and of tombstones.
    changes: OrdMap<Revision, Change>,
    /// Revisions of tombstones, by mesh and name.
    deleted: OrdMap<(Arc<str>, Arc<str>), Revision>,
    meshes: HashMap<Arc<str>, usize>,
}

impl Snapshot {
    /// Nothing, of the store of that identity.
    pub(crate) fn empty(store_id: &str) -> Self {
        Self {
            store_id: store_id.into(),
            ..Self::default()
        }
    }

    /// Nothing, and so many deletions are remembered.
    pub(crate) fn remembering(store_id: &str, deletions: usize) -> Self {
        Self {
            remembered: Remembered(deletions),
            ..Self::empty(store_id)
        }
    }

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

    /// Deletions up to this revision have been forgotten.
    pub fn horizon(&self) -> Revision {
        self.horizon
    }

    /// One resource.
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Resource>> {
        self.kinds.get(&key.kind)?.resources.get(&place(key))
    }

    /// Resources of a kind, of one mesh or of all, ordered by mesh and name.
    pub fn list<'a>(
        &'a self,
        kind: Kind,
        mesh: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Resource>> + 'a {
        let collection = self.kinds.get(&kind);
        let from: (Arc<str>, Arc<str>) = (mesh.unwrap_or_default().into(), "".into());
        collection
            .into_iter()
            .flat_map(move |collection| collection.resources.range(from.clone()..))
            .map(|(_, resource)| resource)
            .take_while(move |resource| mesh.is_none_or(|mesh| *resource.key.mesh == *mesh))
    }

    /// How many [`Snapshot::list`] would give, without walking them.
    pub fn count(&self, kind: Kind, mesh: Option<&str>) -> usize {
        let Some(collection) = self.kinds.get(&kind) else {
            return 0;
        };
        match mesh {
            None => collection.resources.len(),
            Some(mesh) => collection.meshes.get(mesh).copied().unwrap_or_default(),
        }
    }

    /// The last change of every key of the kind that changed after `revision`, in revision order: the
    /// difference from then to now, intermediate states skipped. Deletions are known back to
    /// [`Snapshot::horizon`]; a reader from before it must list instead.
    pub fn changes_after(
        &self,
        kind: Kind,
        revision: Revision,
    ) -> impl Iterator<Item = Change> + '_ {
        let collection = self.kinds.get(&kind);
        collection
            .into_iter()
            .flat_map(move |collection| collection.changes.range(revision + 1..))
            .map(|(_, change)| change.clone())
    }

    /// The revision of the newest change of the kind; 0 if there is none.
    pub fn last_change(&self, kind: Kind) -> Revision {
        let newest = self
            .kinds
            .get(&kind)
            .and_then(|collection| collection.changes.get_max());
        newest.map_or(0, |(revision, _)| *revision)
    }

    /// When the newest resource among those written after `revision` was written; deletions have no time.
    pub(crate) fn last_modified_after(&self, revision: Revision) -> Option<Timestamp> {
        let newest = self.kinds.values().filter_map(|collection| {
            let (last, change) = collection.changes.get_max()?;
            match change {
                Change::Put(resource) if *last > revision => Some(resource.modified),
                Change::Put(_) | Change::Deleted(..) => None,
            }
        });
        newest.max()
    }

    /// Takes over one change; they come in revision order.
    pub(crate) fn apply(&mut self, change: Change) {
        let key = change.key().clone();
        let revision = change.revision();
        let place = place(&key);
        let collection = self.kinds.entry(key.kind).or_default();
        if let Some(old) = collection.resources.remove(&place) {
            collection.changes.remove(&old.revision);
            count(&mut collection.meshes, &key.mesh, -1);
        }
        if let Some(old) = collection.deleted.remove(&place) {
            collection.changes.remove(&old);
            self.tombstones.remove(&old);
        }
        match &change {
            Change::Put(resource) => {
                collection.resources.insert(place, Arc::clone(resource));
                count(&mut collection.meshes, &key.mesh, 1);
            }
            Change::Deleted(..) => {
                collection.deleted.insert(place, revision);
                self.tombstones.insert(revision, key.clone());
            }
        }
        collection.changes.insert(revision, change);
        self.revision = self.revision.max(revision);
        if self.tombstones.len() > self.remembered.0 {
            self.forget();
        }
    }

    /// Notes that everything up to `revision` is in here, also where the last changes are gone.
    pub(crate) fn advance(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision);
    }

    /// Replaces the watermark.
    pub(crate) fn set_watermark(&mut self, watermark: Option<Watermark>) {
        self.watermark = watermark;
    }

    /// Deletions up to `revision` are not known.
    pub(crate) fn set_horizon(&mut self, revision: Revision) {
        self.horizon = self.horizon.max(revision);
    }

    /// Forgets the older half of all deletions.
    fn forget(&mut self) {
        for _ in 0..self.remembered.0.div_ceil(2) {
            let Some((revision, key)) = self.tombstones.get_min().cloned() else {
                return;
            };
            self.tombstones.remove(&revision);
            if let Some(collection) = self.kinds.get_mut(&key.kind) {
                collection.deleted.remove(&place(&key));
                collection.changes.remove(&revision);
            }
            self.set_horizon(revision);
        }
    }
}

fn place(key: &ResourceKey) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&key.mesh), Arc::clone(&key.name))
}

fn count(meshes: &mut HashMap<Arc<str>, usize>, mesh: &Arc<str>, difference: isize) {
    let counted = meshes
        .get(mesh)
        .copied()
        .unwrap_or_default()
        .saturating_add_signed(difference);
    if counted == 0 {
        meshes.remove(mesh);
    } else {
        meshes.insert(Arc::clone(mesh), counted);
    }
}
