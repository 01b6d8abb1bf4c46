//! What a writer asks for and what it is told.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Kind, Labels, ResourceKey, Revision, resource::ShownSpec};

/// Writes that happen together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Must hold in the same transaction, before the writes.
    pub requires: Vec<Requirement>,
    /// In this order; at most one for each key.
    pub writes: Vec<Write>,
    /// The global's revision that a zone's store reflects once this batch is in, and the identity of
    /// the store that counts it.
    pub watermark: Option<Watermark>,
}

impl From<Write> for Batch {
    /// That write alone, without conditions on other resources.
    fn from(write: Write) -> Self {
        Self {
            writes: vec![write],
            ..Self::default()
        }
    }
}

/// A position in another store's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// [`crate::Snapshot::store_id`] of that store.
    pub store_id: String,
    /// Everything up to it is reflected.
    pub revision: Revision,
}

/// A condition on other resources.
#[derive(Clone, Debug)]
pub enum Requirement {
    /// The resource exists.
    Exists(ResourceKey),
    /// The mesh has no resource of the kind.
    NoneInMesh {
        /// The kind that must be absent.
        kind: Kind,
        /// The mesh.
        mesh: String,
    },
}

/// One write.
#[derive(Clone)]
pub enum Write {
    /// Creates or replaces. Equal labels, spec and time of creation are no change: no revision, no version, no feed.
    Put {
        /// What to write.
        key: ResourceKey,
        /// All its labels.
        labels: Labels,
        /// Canonical encoding of its spec.
        spec: Bytes,
        /// When it was created, if another store says so; else that is the moment of its first write.
        created: Option<Timestamp>,
        /// What must be there before.
        expect: Expect,
    },
    /// Removes; nothing there is [`Outcome::Unchanged`] unless `expect` says otherwise.
    Delete {
        /// What to remove.
        key: ResourceKey,
        /// What must be there before.
        expect: Expect,
    },
    /// Removes every mesh-scoped resource of the mesh (not the Mesh itself).
    DeleteMesh {
        /// The mesh.
        mesh: String,
    },
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put {
                key,
                labels,
                spec,
                created,
                expect,
            } => f
                .debug_struct("Put")
                .field("key", key)
                .field("labels", labels)
                .field("spec", &ShownSpec(key.kind, spec))
                .field("created", created)
                .field("expect", expect)
                .finish(),
            Self::Delete { key, expect } => write!(f, "Delete({key}, {expect:?})"),
            Self::DeleteMesh { mesh } => write!(f, "DeleteMesh({mesh})"),
        }
    }
}

/// The optimistic lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    #[default]
    Any,
    /// Nothing.
    Absent,
    /// Something.
    Present,
    /// Exactly this version.
    Version(u64),
}

/// What became of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It was replaced.
    Updated,
    /// It was equal already, or (delete) not there.
    Unchanged,
    /// It was removed.
    Deleted,
}

/// A batch that is on disk, and in the index of the store that wrote it.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The store's revision with this batch in it: of its last change, or, where nothing changed, of a
    /// moment at which all its writes held.
    pub revision: Revision,
    /// One for each write, in order.
    pub outcomes: Vec<Outcome>,
}
