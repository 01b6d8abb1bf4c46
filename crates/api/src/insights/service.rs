//! `GET /meshes/{mesh}/service-insights`: who offers which service, and how it does.

use std::collections::{BTreeMap, BTreeSet};

use axum::{extract::State, response::Response};
use http::StatusCode;
use jiff::Timestamp;
use portolan_model::{
    Resource, kinds,
    proto::mesh::dataplane::networking::{gateway::GatewayType, inbound},
    tags::{SERVICE, Tags, ZONE},
};
use portolan_store::Snapshot;
use serde::Serialize;

use super::proxies::{self, Count, Health, Proxy};
use crate::{
    answer,
    call::Call,
    problem::Problem,
    read::{key, page::Paging, unreadable},
    router::Shared,
};

/// Port and domain under which proxies reach services of the mesh.
const SUFFIX: &str = ".mesh:80";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceInsight {
    r#type: &'static str,
    mesh: String,
    name: String,
    creation_time: Timestamp,
    modification_time: Timestamp,
    status: &'static str,
    dataplanes: Count,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_port: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    zones: BTreeSet<String>,
}

/// A service as its proxies are counted.
#[derive(Default)]
struct Service {
    /// `None` for what is offered inside the mesh.
    gateway: Option<GatewayType>,
    dataplanes: Count,
    zones: BTreeSet<String>,
}

/// The services of one mesh, or of all, by page.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let paging = Paging::of(&call.query)?;
    let snapshot = api.store.index().snapshot();
    let name = call.query.first("name");
    let mut insights = Vec::new();
    for mesh in meshes(&snapshot, &call)? {
        let of_mesh = services(&snapshot, mesh)?;
        insights.extend(
            of_mesh
                .into_iter()
                .filter(|insight| insight.name.contains(name)),
        );
    }
    let page = paging.cut(&call, insights.len(), insights.into_iter(), Ok)?;
    Ok(answer::json(StatusCode::OK, &page))
}

/// One service.
pub(crate) async fn one(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    for mesh in meshes(&snapshot, &call)? {
        let mut of_mesh = services(&snapshot, mesh)?.into_iter();
        if let Some(insight) = of_mesh.find(|insight| insight.name == call.name) {
            return Ok(answer::json(StatusCode::OK, &insight));
        }
    }
    Err(Problem::not_found("Could not retrieve a resource"))
}

fn meshes<'a>(snapshot: &'a Snapshot, call: &Call) -> Result<Vec<&'a Resource>, Problem> {
    if call.mesh.is_empty() {
        return Ok(snapshot
            .list(kinds::MESH, None)
            .map(|mesh| &**mesh)
            .collect());
    }
    match snapshot.get(&key(kinds::MESH, "", &call.mesh)) {
        Some(mesh) => Ok(vec![mesh]),
        None => Err(Problem::not_found("Failed to retrieve Mesh")),
    }
}

fn services(snapshot: &Snapshot, mesh: &Resource) -> Result<Vec<ServiceInsight>, Problem> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for proxy in proxies::of_mesh(snapshot, &mesh.key.name).map_err(unreadable)? {
        count(&mut services, &proxy);
    }
    Ok(services
        .into_iter()
        .map(|(name, service)| insight(mesh, name, service))
        .collect())
}

fn count(services: &mut BTreeMap<String, Service>, proxy: &Proxy) {
    let mut offer = |tags: &Tags, gateway: Option<GatewayType>| {
        let Some(name) = tags.get(SERVICE).filter(|name| !name.is_empty()) else {
            return;
        };
        let service = services.entry(name.clone()).or_insert_with(|| Service {
            gateway,
            ..Service::default()
        });
        // Here a service is up or down; what is half ready counts as down.
        let health = match proxy.health() {
            Health::Online => Health::Online,
            Health::Degraded | Health::Offline => Health::Offline,
        };
        service.dataplanes.add(health);
        service.zones.extend(tags.get(ZONE).cloned());
    };
    if let Some(gateway) = proxy.gateway() {
        return offer(&gateway.tags, Some(gateway.r#type()));
    }
    for inbound in &proxy.networking.inbound {
        if inbound.state() != inbound::State::Ignored {
            offer(&inbound.tags, None);
        }
    }
}

fn insight(mesh: &Resource, name: String, service: Service) -> ServiceInsight {
    let Count { online, total, .. } = service.dataplanes;
    ServiceInsight {
        r#type: "ServiceInsight",
        mesh: mesh.key.name.to_string(),
        creation_time: mesh.created,
        modification_time: mesh.modified,
        status: match online {
            0 => "offline",
            all if all == total => "online",
            _ => "partially_degraded",
        },
        dataplanes: service.dataplanes,
        address_port: service.gateway.is_none().then(|| format!("{name}{SUFFIX}")),
        service_type: service.gateway.map(|gateway| match gateway {
            GatewayType::Builtin => "gateway_builtin",
            GatewayType::Delegated => "gateway_delegated",
        }),
        zones: service.zones,
        name,
    }
}
