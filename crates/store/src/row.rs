//! Changes as rows: what both databases store.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Kind, Labels, Resource, ResourceKey, Revision};

use crate::{engine::DiskError, index::Change};

/// A row of `changes` or `resources`; a deletion has version 0.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) revision: i64,
    pub(crate) kind: String,
    pub(crate) mesh: String,
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) labels: String,
    pub(crate) spec: Vec<u8>,
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

impl Row {
    /// The row of a change.
    pub(crate) fn of(change: &Change) -> Self {
        let key = change.key();
        let (version, labels, spec, created, modified) = match change {
            Change::Put(resource) => (
                signed(resource.version),
                serde_json::to_string(&resource.labels).unwrap_or_default(),
                resource.spec.to_vec(),
                nanoseconds(resource.created),
                nanoseconds(resource.modified),
            ),
            Change::Deleted(..) => (0, "{}".to_owned(), Vec::new(), 0, 0),
        };
        Self {
            revision: signed(change.revision()),
            kind: key.kind.name().to_owned(),
            mesh: key.mesh.to_string(),
            name: key.name.to_string(),
            version,
            labels,
            spec,
            created,
            modified,
        }
    }

    /// The change of a row; `None` for a kind that this version does not know. `shared` keeps one copy of
    /// each mesh's name.
    pub(crate) fn change(
        self,
        shared: &mut HashMap<String, Arc<str>>,
    ) -> Result<Option<Change>, DiskError> {
        let Some(kind) = Kind::by_name(&self.kind) else {
            return Ok(None);
        };
        let mesh = Arc::clone(
            shared
                .entry(self.mesh)
                .or_insert_with_key(|mesh| mesh.as_str().into()),
        );
        let key = ResourceKey {
            kind,
            mesh,
            name: self.name.into(),
        };
        let revision = unsigned(self.revision);
        if self.version == 0 {
            return Ok(Some(Change::Deleted(key, revision)));
        }
        let broken = |reason: String| DiskError::Unavailable(format!("row {revision}: {reason}"));
        let labels: Labels =
            serde_json::from_str(&self.labels).map_err(|error| broken(error.to_string()))?;
        let time = |nanoseconds: i64| {
            Timestamp::from_nanosecond(i128::from(nanoseconds))
                .map_err(|error| broken(error.to_string()))
        };
        Ok(Some(Change::Put(Arc::new(Resource {
            key,
            labels,
            spec: Bytes::from(self.spec),
            version: unsigned(self.version),
            revision,
            created: time(self.created)?,
            modified: time(self.modified)?,
        }))))
    }
}

/// Only the last change of every key: what `resources` must hold afterwards.
pub(crate) fn last_of_each(changes: &[Change]) -> Vec<&Change> {
    let mut last: HashMap<&ResourceKey, &Change> = HashMap::new();
    for change in changes {
        last.insert(change.key(), change);
    }
    let mut last: Vec<_> = last.into_values().collect();
    last.sort_unstable_by_key(|change| change.revision());
    last
}

/// Databases have no unsigned numbers; ours stay far below the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way.
pub(crate) fn unsigned(number: i64) -> Revision {
    Revision::try_from(number).unwrap_or_default()
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}
