//! From the documents of an apply to one batch, or to everything that is wrong with any of them. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::{Kind, ResourceKey, Scope, Violation, kinds};
use portolan_store::{Batch, Outcome, Requirement, Snapshot, Write};
use serde_json::Value;

use super::{
    authorities, labels,
    meta::{self, Meta},
    prepare::{self, Prepared, Refusal},
    refusal,
};
use crate::{config::Role, problem::Named};

/// Fields under which a document may hold a list of resources: ours, and that of the API's own lists.
const LISTS: [&str; 2] = ["resources", "items"];

/// The resources in documents that each are one, a list of some, or an object with such a list.
pub(super) fn resources(documents: Vec<Value>) -> Vec<Value> {
    documents.into_iter().flat_map(unpacked).collect()
}

fn unpacked(document: Value) -> Vec<Value> {
    match document {
        Value::Array(resources) => resources,
        Value::Object(mut object) if !object.contains_key("type") => {
            let list = LISTS.iter().find_map(|&name| match object.get_mut(name) {
                Some(Value::Array(resources)) => Some(std::mem::take(resources)),
                _ => None,
            });
            list.unwrap_or_else(|| vec![Value::Object(object)])
        }
        other => vec![other],
    }
}

/// The kind that a resource says it is of, if there is such a kind.
pub(super) fn kind(resource: &Value) -> Option<Kind> {
    Kind::by_name(resource["type"].as_str()?)
}

/// What an apply writes, in the order of its resources.
///
/// # Errors
/// Every violation of every resource, each with its place in the apply and its resource.
pub(super) fn check(
    role: &Role,
    snapshot: &Snapshot,
    resources: Vec<Value>,
) -> Result<Vec<Prepared>, Vec<Named>> {
    let declared = declared_meshes(&resources);
    let mut violations = Vec::new();
    let mut prepared = Vec::with_capacity(resources.len());
    for (position, document) in resources.into_iter().enumerate() {
        match prepare_one(role, snapshot, document) {
            Ok(resource) => prepared.push((position, resource)),
            Err((resource, found)) => violations.extend(found.into_iter().map(|violation| Named {
                violation: placed(position, violation),
                resource: resource.clone(),
            })),
        }
    }
    violations.extend(collisions(&prepared));
    violations.extend(missing_meshes(snapshot, &declared, &prepared));
    violations.extend(authorities_that_cannot_work(snapshot, &prepared));
    if violations.is_empty() {
        Ok(prepared.into_iter().map(|(_, resource)| resource).collect())
    } else {
        Err(violations)
    }
}

type Refused = (Option<String>, Vec<Violation>);

fn prepare_one(role: &Role, snapshot: &Snapshot, document: Value) -> Result<Prepared, Refused> {
    let (meta, spec) =
        meta::split(document).map_err(|reason| (None, vec![violation("", reason)]))?;
    let named = |meta: &Meta| {
        let place = [&meta.kind, &meta.mesh, &meta.name].map(String::as_str);
        Some(
            place
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("/"),
        )
    };
    let resource = named(&meta);
    let Some(kind) = Kind::by_name(&meta.kind) else {
        let reason = match meta.kind.as_str() {
            "" => "cannot be empty".to_owned(),
            other => format!("unknown resource type {other:?}"),
        };
        return Err((resource, vec![violation("type", reason)]));
    };
    if let Some(reason) = refusal::read_only(role, kind, &meta.name) {
        return Err((resource, vec![violation("type", reason.trim_end())]));
    }
    let prepared =
        prepare::standalone(role, kind, meta, spec).map_err(|refusal| match refusal {
            Refusal::Unreadable(reason) => (resource.clone(), vec![violation("", reason)]),
            Refusal::Invalid(violations) => (resource.clone(), violations.0),
        })?;
    let current = snapshot.get(&prepared.key);
    let violations = current.map(|current| labels::check_update(current, &prepared.labels).0);
    match violations.filter(|violations| !violations.is_empty()) {
        Some(violations) => Err((resource, violations)),
        None => Ok(prepared),
    }
}

/// One apply writes a resource once.
fn collisions(prepared: &[(usize, Prepared)]) -> Vec<Named> {
    let mut first: BTreeMap<&ResourceKey, usize> = BTreeMap::new();
    let mut violations = Vec::new();
    for (position, Prepared { key, .. }) in prepared {
        if let Some(other) = first.get(key) {
            let reason = format!("is the same resource as resources[{other}]");
            let violation = placed(*position, violation("name", reason));
            violations.push(Named {
                violation,
                resource: Some(key.to_string()),
            });
        } else {
            first.insert(key, *position);
        }
    }
    violations
}

/// Names of the meshes that come with an apply, be they valid or not: the resources in one that is
/// refused need no complaint of their own.
fn declared_meshes(resources: &[Value]) -> BTreeSet<String> {
    let meshes = resources
        .iter()
        .filter(|resource| resource["type"] == kinds::MESH.name());
    meshes
        .filter_map(|mesh| mesh["name"].as_str().map(str::to_owned))
        .collect()
}

/// Resources go into meshes that exist, or that come with them.
fn missing_meshes(
    snapshot: &Snapshot,
    declared: &BTreeSet<String>,
    prepared: &[(usize, Prepared)],
) -> Vec<Named> {
    prepared
        .iter()
        .filter(|(_, Prepared { key, .. })| {
            key.kind.scope == Scope::Mesh
                && !declared.contains(&*key.mesh)
                && snapshot
                    .get(&ResourceKey::global(kinds::MESH, key.mesh.clone()))
                    .is_none()
        })
        .map(|(position, Prepared { key, .. })| {
            let reason = format!("mesh of name {} is not found", key.mesh);
            let violation = placed(*position, violation("mesh", reason));
            Named {
                violation,
                resource: Some(key.to_string()),
            }
        })
        .collect()
}

fn authorities_that_cannot_work(snapshot: &Snapshot, prepared: &[(usize, Prepared)]) -> Vec<Named> {
    let of = |(position, resource): &(usize, Prepared)| {
        let all = prepared.iter().map(|(_, resource)| resource);
        let found = authorities::check(snapshot, resource, all).0.into_iter();
        let name = resource.key.to_string();
        let named = found.map(|violation| Named {
            violation: placed(*position, violation),
            resource: Some(name.clone()),
        });
        named.collect::<Vec<_>>()
    };
    prepared.iter().flat_map(of).collect()
}

/// The batch of an apply, and for each of its writes the resource's place: meshes come first, so that
/// no reader ever sees a resource without its mesh.
pub(super) fn batch(prepared: &[Prepared]) -> (Batch, Vec<usize>) {
    let keys = || prepared.iter().map(|resource| &resource.key);
    let created: BTreeSet<&str> = keys()
        .filter(|key| key.kind == kinds::MESH)
        .map(|key| &*key.name)
        .collect();
    let needed: BTreeSet<&Arc<str>> = keys()
        .filter(|key| key.kind.scope == Scope::Mesh && !created.contains(&*key.mesh))
        .map(|key| &key.mesh)
        .collect();
    let requires = needed
        .into_iter()
        .map(|mesh| Requirement::Exists(ResourceKey::global(kinds::MESH, Arc::clone(mesh))))
        .collect();
    let mut order: Vec<usize> = (0..prepared.len()).collect();
    order.sort_by_key(|&position| prepared[position].key.kind.scope == Scope::Mesh);
    let writes = order
        .iter()
        .map(|&position| put(&prepared[position]))
        .collect();
    (
        Batch {
            requires,
            writes,
            watermark: None,
        },
        order,
    )
}

fn put(
    Prepared {
        key, labels, spec, ..
    }: &Prepared,
) -> Write {
    let (key, labels, spec) = (key.clone(), labels.clone(), spec.clone());
    Write::Put {
        key,
        labels,
        spec,
        expect: Default::default(),
        created: None,
    }
}

/// What writing the resource now would do.
pub(super) fn outcome(snapshot: &Snapshot, prepared: &Prepared) -> Outcome {
    match snapshot.get(&prepared.key) {
        None => Outcome::Created,
        Some(current) if current.spec == prepared.spec && current.labels == prepared.labels => {
            Outcome::Unchanged
        }
        Some(_) => Outcome::Updated,
    }
}

fn violation(field: &str, reason: impl Into<String>) -> Violation {
    Violation {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

/// A field within the resource as a field within the apply.
fn placed(position: usize, violation: Violation) -> Violation {
    let separator = if violation.field.is_empty() { "" } else { "." };
    let field = format!("resources[{position}]{separator}{}", violation.field);
    Violation { field, ..violation }
}
