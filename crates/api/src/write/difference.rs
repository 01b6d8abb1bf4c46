//! What an apply would do to gateways: their routes before and after, and what its authors should know.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portolan_gateway::{
    diff::{GatewayDiff, diff},
    lint::lint_of,
};
use portolan_model::Resource;
use portolan_store::Snapshot;

use super::prepare::Prepared;
use crate::{gateways, problem::Problem, router::Shared};

/// The difference that writing `prepared` now would make. Its warnings are added to the resources.
pub(super) async fn between(
    api: &Shared,
    snapshot: &Snapshot,
    prepared: &mut [Prepared],
) -> Result<Vec<GatewayDiff>, Problem> {
    let (api, snapshot) = (Shared::clone(api), snapshot.clone());
    let resources: Vec<_> = prepared
        .iter()
        .map(|resource| written(&snapshot, resource))
        .collect();
    let work = tokio::task::spawn_blocking(move || compare(&api, &snapshot, &resources));
    let (diffs, warnings) = work.await.map_err(|_| Problem::internal())?;
    for (resource, warnings) in prepared.iter_mut().zip(warnings) {
        resource.warnings.extend(warnings);
    }
    Ok(diffs)
}

fn compare(
    api: &Shared,
    snapshot: &Snapshot,
    resources: &[Resource],
) -> (Vec<GatewayDiff>, Vec<Vec<String>>) {
    let meshes: BTreeSet<_> = resources
        .iter()
        .map(|resource| resource.key.mesh.clone())
        .collect();
    let mut diffs = Vec::new();
    let mut after = BTreeMap::new();
    for mesh in meshes {
        let before = api.gateways.mesh(&api.role, snapshot, &mesh);
        let mut chart = (*before).clone();
        let own = resources
            .iter()
            .filter(|resource| resource.key.mesh == mesh);
        own.for_each(|resource| chart.put(resource, gateways::here(&api.role)));
        diffs.extend(diff(&mesh, &before, &chart));
        after.insert(mesh, chart);
    }
    let warnings = resources.iter().map(|resource| {
        let chart = after.get(&resource.key.mesh);
        let warnings = chart.map(|chart| lint_of(chart, &resource.key));
        let warnings = warnings.unwrap_or_default();
        warnings.iter().map(ToString::to_string).collect()
    });
    (diffs, warnings.collect())
}

/// The resource as it would stand in the store.
fn written(snapshot: &Snapshot, prepared: &Prepared) -> Resource {
    let current = snapshot.get(&prepared.key);
    // What is new is younger than all that there is.
    let created = current.map_or(Timestamp::MAX, |current| current.created);
    Resource {
        key: prepared.key.clone(),
        labels: prepared.labels.clone(),
        spec: prepared.spec.clone(),
        version: 0,
        revision: 0,
        created,
        modified: created,
    }
}
