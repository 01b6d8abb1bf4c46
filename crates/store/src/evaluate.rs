//! What a batch does to a snapshot: pure, and the same for every store.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Kind, Labels, Resource, ResourceKey, Revision, Scope};

use crate::{
    batch::{Batch, Expect, Outcome, Requirement, Write},
    index::{Change, Snapshot},
    store::StoreError,
};

/// What a batch came to.
pub(crate) struct Evaluated {
    /// In revision order, to be written to disk.
    pub(crate) changes: Vec<Change>,
    /// One for each write.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Applies a batch to `state`: all of it, or on an error nothing.
pub(crate) fn evaluate(
    state: &mut Snapshot,
    batch: Batch,
    now: Timestamp,
) -> Result<Evaluated, StoreError> {
    for requirement in &batch.requires {
        check(state, requirement)?;
    }
    let mut next = state.clone();
    let mut changes = Vec::new();
    let mut outcomes = Vec::with_capacity(batch.writes.len());
    for write in batch.writes {
        let outcome = match write {
            Write::Put {
                key,
                labels,
                spec,
                expect,
            } => put(&mut next, &mut changes, key, labels, spec, expect, now)?,
            Write::Delete { key, expect } => delete(&mut next, &mut changes, key, expect)?,
            Write::DeleteMesh { mesh } => delete_mesh(&mut next, &mut changes, &mesh),
        };
        outcomes.push(outcome);
    }
    if batch.watermark.is_some() {
        next.set_watermark(batch.watermark);
    }
    *state = next;
    Ok(Evaluated { changes, outcomes })
}

fn check(state: &Snapshot, requirement: &Requirement) -> Result<(), StoreError> {
    match requirement {
        Requirement::Exists(key) if state.get(key).is_none() => {
            Err(StoreError::Missing { key: key.clone() })
        }
        Requirement::NoneInMesh { kind, mesh } => match state.list(*kind, Some(mesh)).next() {
            Some(resource) => Err(StoreError::InTheWay {
                key: resource.key.clone(),
            }),
            None => Ok(()),
        },
        Requirement::Exists(_) => Ok(()),
    }
}

fn expected(
    key: &ResourceKey,
    expect: Expect,
    current: Option<&Arc<Resource>>,
) -> Result<(), StoreError> {
    let held = match (expect, current) {
        (Expect::Any, _) | (Expect::Absent, None) | (Expect::Present, Some(_)) => true,
        (Expect::Version(version), Some(resource)) => resource.version == version,
        _ => false,
    };
    if held {
        return Ok(());
    }
    let found = current.map(|resource| resource.version);
    Err(StoreError::Conflict {
        key: key.clone(),
        expected: expect,
        found,
    })
}

fn put(
    state: &mut Snapshot,
    changes: &mut Vec<Change>,
    key: ResourceKey,
    labels: Labels,
    spec: Bytes,
    expect: Expect,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let current = state.get(&key);
    expected(&key, expect, current)?;
    let (version, created, outcome) = match current {
        Some(current) if current.spec == spec && current.labels == labels => {
            return Ok(Outcome::Unchanged);
        }
        Some(current) => (current.version + 1, current.created, Outcome::Updated),
        None => (1, now, Outcome::Created),
    };
    let revision = state.revision() + 1;
    let resource = Resource {
        key,
        labels,
        spec,
        version,
        revision,
        created,
        modified: now,
    };
    record(state, changes, Change::Put(Arc::new(resource)));
    Ok(outcome)
}

fn delete(
    state: &mut Snapshot,
    changes: &mut Vec<Change>,
    key: ResourceKey,
    expect: Expect,
) -> Result<Outcome, StoreError> {
    let current = state.get(&key);
    expected(&key, expect, current)?;
    if current.is_none() {
        return Ok(Outcome::Unchanged);
    }
    let revision: Revision = state.revision() + 1;
    record(state, changes, Change::Deleted(key, revision));
    Ok(Outcome::Deleted)
}

fn delete_mesh(state: &mut Snapshot, changes: &mut Vec<Change>, mesh: &str) -> Outcome {
    let of_mesh = |kind: Kind| {
        state
            .list(kind, Some(mesh))
            .map(|resource| resource.key.clone())
    };
    let keys: Vec<_> = Kind::all()
        .filter(|kind| kind.scope == Scope::Mesh)
        .flat_map(of_mesh)
        .collect();
    let outcome = if keys.is_empty() {
        Outcome::Unchanged
    } else {
        Outcome::Deleted
    };
    for key in keys {
        let revision = state.revision() + 1;
        record(state, changes, Change::Deleted(key, revision));
    }
    outcome
}

fn record(state: &mut Snapshot, changes: &mut Vec<Change>, change: Change) {
    state.apply(change.clone());
    changes.push(change);
}
