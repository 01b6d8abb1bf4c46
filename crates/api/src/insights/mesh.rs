//! `GET /mesh-insights`: how many proxies and resources each mesh has.

use std::collections::{BTreeMap, BTreeSet};

use axum::{extract::State, response::Response};
use http::StatusCode;
use jiff::Timestamp;
use portolan_model::{
    Kind, Resource, Scope, SpecError, kinds,
    proto::mesh::dataplane::networking::gateway::GatewayType, tags::SERVICE,
};
use portolan_store::Snapshot;
use serde::Serialize;

use super::proxies::{self, Count, Proxy};
use crate::{
    answer,
    call::Call,
    problem::Problem,
    read::{insight_of, key, page::Paging, unreadable},
    router::Shared,
};

/// What stands for a version that no proxy has told.
const UNKNOWN: &str = "unknown";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeshInsight<'a> {
    r#type: &'static str,
    name: &'a str,
    creation_time: Timestamp,
    modification_time: Timestamp,
    dataplanes: Count,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    policies: BTreeMap<&'static str, Total>,
    dp_versions: Versions,
    #[serde(rename = "mTLS")]
    mtls: Backends,
    services: Services,
    dataplanes_by_type: ByType,
    resources: BTreeMap<&'static str, Total>,
}

/// The authorities of a mesh, by what its proxies say of them.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Backends {
    /// Signed the certificates of so many.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    issued_backends: BTreeMap<String, Count>,
    /// Are trusted by so many.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    supported_backends: BTreeMap<String, Count>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    kuma_dp: BTreeMap<String, Count>,
    envoy: BTreeMap<String, Count>,
}

#[derive(Serialize)]
struct Services {
    #[serde(skip_serializing_if = "super::is_zero")]
    total: u32,
    #[serde(skip_serializing_if = "super::is_zero")]
    internal: u32,
    #[serde(skip_serializing_if = "super::is_zero")]
    external: u32,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ByType {
    standard: Count,
    gateway: Count,
    gateway_builtin: Count,
    gateway_delegated: Count,
}

#[derive(Serialize)]
struct Total {
    total: usize,
}

/// The insights of all meshes, by page.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let paging = Paging::of(&call.query)?;
    let snapshot = api.store.index().snapshot();
    let name = call.query.first("name");
    let meshes: Vec<_> = snapshot
        .list(kinds::MESH, None)
        .filter(|mesh| mesh.key.name.contains(name))
        .collect();
    let page = paging.cut(&call, meshes.len(), meshes.into_iter(), |mesh| {
        insight(&snapshot, mesh)
    })?;
    Ok(answer::json(StatusCode::OK, &page))
}

/// The insight of one mesh.
pub(crate) async fn one(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    let mesh = snapshot
        .get(&key(kinds::MESH, "", &call.name))
        .ok_or_else(|| Problem::not_found("Could not retrieve a resource"))?;
    Ok(answer::json(StatusCode::OK, &insight(&snapshot, mesh)?))
}

fn insight<'a>(snapshot: &Snapshot, mesh: &'a Resource) -> Result<MeshInsight<'a>, Problem> {
    let name = &*mesh.key.name;
    let proxies = proxies::of_mesh(snapshot, name).map_err(unreadable)?;
    let mut dataplanes = Count::default();
    let (mut by_type, mut versions) = (ByType::default(), Versions::default());
    let (mut services, mut backends) = (BTreeSet::new(), Backends::default());
    for proxy in &proxies {
        dataplanes.add(proxy.health());
        count_type(&mut by_type, proxy);
        count_versions(&mut versions, proxy);
        count_backends(&mut backends, proxy);
        services.extend(services_of(proxy));
    }
    by_type.gateway = by_type.gateway_builtin + by_type.gateway_delegated;
    let external = external_services(snapshot, name).map_err(unreadable)?;
    let count = |services: usize| u32::try_from(services).unwrap_or(u32::MAX);
    Ok(MeshInsight {
        r#type: "MeshInsight",
        name,
        creation_time: mesh.created,
        modification_time: mesh.modified,
        dataplanes,
        policies: counts(snapshot, name, |kind| kind.policy),
        dp_versions: versions,
        mtls: backends,
        services: Services {
            total: count(services.len() + external.len()),
            internal: count(services.len()),
            external: count(external.len()),
        },
        dataplanes_by_type: by_type,
        resources: resources(snapshot, name),
    })
}

fn count_type(by_type: &mut ByType, proxy: &Proxy) {
    let count = match proxy.gateway().map(|gateway| gateway.r#type()) {
        None => &mut by_type.standard,
        Some(GatewayType::Builtin) => &mut by_type.gateway_builtin,
        Some(GatewayType::Delegated) => &mut by_type.gateway_delegated,
    };
    count.add(proxy.health());
}

fn count_versions(versions: &mut Versions, proxy: &Proxy) {
    let told = proxy
        .last_subscription()
        .and_then(|subscription| subscription.version.as_ref());
    let dp = told
        .and_then(|version| version.kuma_dp.as_ref())
        .map(|dp| dp.version.clone());
    let envoy = told
        .and_then(|version| version.envoy.as_ref())
        .map(|envoy| envoy.version.clone());
    for (counts, version) in [(&mut versions.kuma_dp, dp), (&mut versions.envoy, envoy)] {
        let version = version.filter(|version| !version.is_empty());
        counts
            .entry(version.unwrap_or_else(|| UNKNOWN.to_owned()))
            .or_default()
            .add(proxy.health());
    }
}

fn count_backends(backends: &mut Backends, proxy: &Proxy) {
    let Some(mtls) = proxy.mtls() else { return };
    let issued = (
        &mut backends.issued_backends,
        std::slice::from_ref(&mtls.issued_backend),
    );
    let supported = (&mut backends.supported_backends, &*mtls.supported_backends);
    for (counts, names) in [issued, supported] {
        for name in names.iter().filter(|name| !name.is_empty()) {
            let count = counts.entry(name.clone()).or_default();
            count.add(proxy.health());
        }
    }
}

fn services_of(proxy: &Proxy) -> impl Iterator<Item = &String> {
    let inbound = proxy.networking.inbound.iter().map(|inbound| &inbound.tags);
    let gateway = proxy.gateway().map(|gateway| &gateway.tags);
    inbound.chain(gateway).filter_map(|tags| tags.get(SERVICE))
}

/// Names of services outside the mesh.
fn external_services(snapshot: &Snapshot, mesh: &str) -> Result<BTreeSet<String>, SpecError> {
    snapshot
        .list(kinds::EXTERNAL_SERVICE, Some(mesh))
        .map(|resource| {
            let service = resource.key.kind.spec_to_json(&resource.spec)?;
            Ok(service["tags"][SERVICE]
                .as_str()
                .unwrap_or_default()
                .to_owned())
        })
        .collect()
}

/// How many resources of each kind the mesh has; insights are not counted.
fn resources(snapshot: &Snapshot, mesh: &str) -> BTreeMap<&'static str, Total> {
    let insights: Vec<Kind> = Kind::all().filter_map(insight_of).collect();
    counts(snapshot, mesh, |kind| !insights.contains(&kind))
}

fn counts(
    snapshot: &Snapshot,
    mesh: &str,
    counted: impl Fn(Kind) -> bool,
) -> BTreeMap<&'static str, Total> {
    Kind::all()
        .filter(|kind| kind.scope == Scope::Mesh && counted(*kind))
        .map(|kind| {
            (
                kind.name(),
                Total {
                    total: snapshot.count(kind, Some(mesh)),
                },
            )
        })
        .filter(|(_, Total { total })| *total > 0)
        .collect()
}
