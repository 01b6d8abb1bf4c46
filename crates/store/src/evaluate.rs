//! What a batch does to a snapshot: pure, and the same for every store.

use std::sync::Arc;

use jiff::Timestamp;
use portolan_model::{Kind, Resource, ResourceKey, Revision, Scope};

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
                created,
                expect,
            } => {
                let new = Resource {
                    key,
                    labels,
                    spec,
                    version: 1,
                    revision: next.revision() + 1,
                    created: created.unwrap_or(now),
                    modified: now,
                };
                put(&mut next, &mut changes, new, created.is_some(), expect)?
            }
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

/// Puts `new`, which is as if it were created now, in its place. What is there keeps its own time of
/// creation, unless that of `new` was told.
fn put(
    state: &mut Snapshot,
    changes: &mut Vec<Change>,
    mut new: Resource,
    told: bool,
    expect: Expect,
) -> Result<Outcome, StoreError> {
    let current = state.get(&new.key);
    expected(&new.key, expect, current)?;
    let outcome = match current {
        Some(current) => {
            if !told {
                new.created = current.created;
            }
            if current.spec == new.spec
                && current.labels == new.labels
                && current.created == new.created
            {
                return Ok(Outcome::Unchanged);
            }
            new.version = current.version + 1;
            Outcome::Updated
        }
        None => Outcome::Created,
    };
    record(state, changes, Change::Put(Arc::new(new)));
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
