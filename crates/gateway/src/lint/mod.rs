//! What a resource will not do, though it may be written: said when it is written, never refused.
//!
//! Looking at one resource costs what it is itself made of, not how many others there are: a route is compared
//! with those of the same hostname and path alone, and with at most a few dozen of these.

mod gateway;
mod problem;
mod route;
mod shadow;
mod spots;

use std::collections::BTreeSet;

use portolan_model::{
    ResourceKey,
    kinds::{EXTERNAL_SERVICE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
};

pub use problem::{Problem, Warning};
pub(crate) use spots::Spots;

use crate::{chart::Chart, fault::Fault, plan::external::External};

/// Most warnings of one resource.
const MOST_WARNINGS: usize = 20;

/// What is to be said of one MeshGateway, MeshGatewayRoute or ExternalService as it stands in the chart; nothing of other
/// resources.
pub fn lint_of(chart: &Chart, key: &ResourceKey) -> Vec<Warning> {
    let mut found = Findings {
        resource: key,
        warnings: Vec::new(),
    };
    if key.kind == MESH_GATEWAY
        && let Some(gateway) = chart.gateway(&key.name)
    {
        found.gateway(chart, gateway);
    } else if key.kind == MESH_GATEWAY_ROUTE
        && let Some(route) = chart.routes.get(&key.name)
    {
        found.route(chart, route);
    } else if key.kind == MESH_GATEWAY_ROUTE
        && let Some(route) = chart.tcp_routes.get(&key.name)
    {
        found.tcp_route(chart, route);
    } else if key.kind == EXTERNAL_SERVICE
        && let Some(external) = chart.externals().named(&key.name)
    {
        found.external(external);
    }
    found.finish()
}

/// What is to be said of everything in a mesh.
pub fn lint(chart: &Chart, mesh: &str) -> Vec<Warning> {
    let gateways = chart
        .gateways()
        .map(|(name, _)| (MESH_GATEWAY, name.clone()));
    let routes: BTreeSet<_> = chart.routes.keys().chain(chart.tcp_routes.keys()).collect();
    let routes = routes
        .into_iter()
        .map(|name| (MESH_GATEWAY_ROUTE, name.clone()));
    let externals = chart.externals().names();
    let externals = externals.map(|name| (EXTERNAL_SERVICE, name.clone()));
    let keys = gateways.chain(routes).chain(externals);
    keys.flat_map(|(kind, name)| lint_of(chart, &ResourceKey::in_mesh(kind, mesh, name)))
        .collect()
}

struct Findings<'a> {
    resource: &'a ResourceKey,
    warnings: Vec<Warning>,
}

impl Findings<'_> {
    fn add(&mut self, field: impl Into<String>, problem: Problem) {
        self.warnings.push(Warning {
            resource: self.resource.clone(),
            field: field.into(),
            problem,
        });
    }

    fn left_out<'a>(&mut self, faults: impl IntoIterator<Item = &'a Fault>) {
        let faults: BTreeSet<&Fault> = faults.into_iter().collect();
        for fault in faults {
            self.add(&fault.field, Problem::LeftOut(fault.reason.to_string()));
        }
    }

    fn finish(mut self) -> Vec<Warning> {
        let more = self.warnings.len().saturating_sub(MOST_WARNINGS);
        if more > 0 {
            self.warnings.truncate(MOST_WARNINGS);
            self.add("", Problem::More(more));
        }
        self.warnings
    }

    fn external(&mut self, external: &External) {
        self.left_out(&external.faults);
        let tls = external.endpoint.as_ref().and_then(|one| one.tls.as_ref());
        if tls.is_some_and(|tls| tls.trust.is_none()) {
            self.add("networking.tls", Problem::Unchecked);
        }
    }
}
