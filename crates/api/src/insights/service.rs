//! `GET /meshes/{mesh}/service-insights`: who offers which service, in the mesh or outside, and how it does.

use std::collections::{BTreeMap, BTreeSet};

use axum::{extract::State, response::Response};
use http::StatusCode;
use jiff::Timestamp;
use portolan_model::{
    Resource, kinds,
    proto::mesh::{
        ExternalService,
        dataplane::networking::{gateway::GatewayType, inbound},
    },
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    issued_backends: BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_port: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    zones: BTreeSet<String>,
}

/// Who offers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Offered {
    /// Members of the mesh.
    Internal,
    /// The first of its ExternalServices is at this address.
    External(String),
    Gateway(GatewayType),
}

impl Offered {
    /// As Kuma calls it.
    fn name(&self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External(_) => "external",
            Self::Gateway(GatewayType::Builtin) => "gateway_builtin",
            Self::Gateway(GatewayType::Delegated) => "gateway_delegated",
        }
    }
}

/// A service as its proxies are counted. Who offers it first says what it is.
struct Service {
    offered: Offered,
    dataplanes: Count,
    /// How many proxies have a certificate of each authority.
    issued_backends: BTreeMap<String, u32>,
    zones: BTreeSet<String>,
}

#[derive(Default)]
struct Services {
    by_name: BTreeMap<String, Service>,
}

/// The services of one mesh, or of all, by page.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let paging = Paging::of(&call.query)?;
    let snapshot = api.store.index().snapshot();
    let name = call.query.first("name");
    let types = types(call.query.first("type"))?;
    let mut insights = Vec::new();
    for mesh in meshes(&snapshot, &call)? {
        let of_mesh = services(&snapshot, mesh)?.into_iter();
        insights.extend(of_mesh.filter(|insight| {
            let own = insight.service_type.unwrap_or(Offered::Internal.name());
            insight.name.contains(name) && (types.is_empty() || types.contains(own))
        }));
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

/// The types that are asked for, between commas; none for all.
fn types(text: &str) -> Result<BTreeSet<&'static str>, Problem> {
    const TYPES: [&str; 4] = [
        "internal",
        "external",
        "gateway_builtin",
        "gateway_delegated",
    ];
    let known = |name: &str| {
        let mut all = TYPES.into_iter();
        let found = all.find(|known| name.trim().eq_ignore_ascii_case(known));
        found.ok_or_else(|| Problem::bad_request("unsupported service type"))
    };
    let names = text.split(',').filter(|_| !text.is_empty());
    names.map(known).collect()
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
    let mut services = Services::default();
    for proxy in proxies::of_mesh(snapshot, &mesh.key.name).map_err(unreadable)? {
        services.count(&proxy);
    }
    for resource in snapshot.list(kinds::EXTERNAL_SERVICE, Some(&mesh.key.name)) {
        let external: ExternalService = resource.spec_as().map_err(unreadable)?;
        let address = external.networking.unwrap_or_default().address;
        services.offer(&external.tags, Offered::External(address));
    }
    let services = services.by_name.into_iter();
    Ok(services
        .map(|(name, service)| insight(mesh, name, service))
        .collect())
}

impl Services {
    /// The service of these tags, unless they name none.
    fn offer(&mut self, tags: &Tags, offered: Offered) -> Option<&mut Service> {
        let name = tags.get(SERVICE).filter(|name| !name.is_empty())?;
        let service = self.by_name.entry(name.clone()).or_insert_with(|| Service {
            offered,
            dataplanes: Count::default(),
            issued_backends: BTreeMap::new(),
            zones: BTreeSet::new(),
        });
        service.zones.extend(tags.get(ZONE).cloned());
        Some(service)
    }

    fn count(&mut self, proxy: &Proxy) {
        // Here a service is up or down; what is half ready counts as down.
        let health = match proxy.health() {
            Health::Online => Health::Online,
            Health::Degraded | Health::Offline => Health::Offline,
        };
        let mut add = |tags: &Tags, offered| {
            let Some(service) = self.offer(tags, offered) else {
                return;
            };
            service.dataplanes.add(health);
            let issued = proxy.mtls().map(|mtls| &mtls.issued_backend);
            if let Some(backend) = issued.filter(|backend| !backend.is_empty()) {
                *service.issued_backends.entry(backend.clone()).or_default() += 1;
            }
        };
        if let Some(gateway) = proxy.gateway() {
            return add(&gateway.tags, Offered::Gateway(gateway.r#type()));
        }
        for inbound in &proxy.networking.inbound {
            if inbound.state() != inbound::State::Ignored {
                add(&inbound.tags, Offered::Internal);
            }
        }
    }
}

fn insight(mesh: &Resource, name: String, service: Service) -> ServiceInsight {
    let Count { online, total, .. } = service.dataplanes;
    let status = match (&service.offered, online) {
        (Offered::External(_), _) => "not_available",
        (_, 0) => "offline",
        (_, all) if all == total => "online",
        _ => "partially_degraded",
    };
    let service_type = (service.offered != Offered::Internal).then(|| service.offered.name());
    ServiceInsight {
        r#type: "ServiceInsight",
        mesh: mesh.key.name.to_string(),
        creation_time: mesh.created,
        modification_time: mesh.modified,
        status,
        dataplanes: service.dataplanes,
        issued_backends: service.issued_backends,
        address_port: match service.offered {
            Offered::Internal => Some(format!("{name}{SUFFIX}")),
            Offered::External(address) => Some(address),
            Offered::Gateway(_) => None,
        },
        service_type,
        zones: service.zones,
        name,
    }
}
