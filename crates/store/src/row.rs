//! Changes as rows: what both databases store.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Kind, Labels, Resource, ResourceKey, Revision};

use crate::{engine::DiskError, index::Change, seal::SecretKeys};

/// A row of `changes` or `resources`; a deletion has version 0. The spec of a secret is sealed in it.
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
    pub(crate) fn of(change: &Change, keys: &SecretKeys) -> Result<Self, DiskError> {
        let mut row = Self::without_spec(change);
        if let Change::Put(resource) = change {
            row.spec = if resource.key.kind.is_secret() {
                keys.seal(&resource.key, &resource.spec)?
            } else {
                resource.spec.to_vec()
            };
        }
        Ok(row)
    }

    /// Everything of the row but its spec.
    pub(crate) fn without_spec(change: &Change) -> Self {
        let key = change.key();
        let (version, labels, created, modified) = match change {
            Change::Put(resource) => (
                signed(resource.version),
                serde_json::to_string(&resource.labels).unwrap_or_default(),
                nanoseconds(resource.created),
                nanoseconds(resource.modified),
            ),
            Change::Deleted(..) => (0, "{}".to_owned(), 0, 0),
        };
        Self {
            revision: signed(change.revision()),
            kind: key.kind.name().to_owned(),
            mesh: key.mesh.to_string(),
            name: key.name.to_string(),
            version,
            labels,
            spec: Vec::new(),
            created,
            modified,
        }
    }

    /// The change of a row; `None` for a kind that this version does not know. `shared` keeps one copy of
    /// each mesh's name.
    pub(crate) fn change(
        self,
        shared: &mut HashMap<String, Arc<str>>,
        keys: &SecretKeys,
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
        let spec = if kind.is_secret() {
            keys.open(&key, &self.spec)?
        } else {
            Bytes::from(self.spec)
        };
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
            spec,
            version: unsigned(self.version),
            revision,
            created: time(self.created)?,
            modified: time(self.modified)?,
        }))))
    }
}

/// What is stored of a secret, and where.
#[derive(sqlx::FromRow)]
pub(crate) struct Sealed {
    pub(crate) revision: i64,
    pub(crate) kind: String,
    pub(crate) mesh: String,
    pub(crate) name: String,
    pub(crate) spec: Vec<u8>,
}

impl Sealed {
    /// Names of the kinds whose specs are sealed.
    pub(crate) fn kinds() -> Vec<&'static str> {
        let kinds = Kind::all().filter(|kind| kind.is_secret());
        kinds.map(Kind::name).collect()
    }

    /// Seals with the first key what was sealed with an older one; the others are left out.
    pub(crate) fn renew(rows: Vec<Self>, keys: &SecretKeys) -> Result<Vec<Self>, DiskError> {
        let old = rows.into_iter().filter(|row| !keys.is_current(&row.spec));
        old.map(|row| row.renewed(keys)).collect()
    }

    fn renewed(self, keys: &SecretKeys) -> Result<Self, DiskError> {
        let Some(kind) = Kind::by_name(&self.kind) else {
            return Ok(self);
        };
        let key = ResourceKey {
            kind,
            mesh: self.mesh.as_str().into(),
            name: self.name.as_str().into(),
        };
        let spec = keys.open(&key, &self.spec)?;
        Ok(Self {
            spec: keys.seal(&key, &spec)?,
            ..self
        })
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
