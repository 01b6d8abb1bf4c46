//! `GET /meshes/{mesh}/dataplanes/{name}/policies`: what `kumactl inspect dataplane` shows.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{chart::Chart, plan::outbound::DelegatedInstance};
use portolan_model::{ResourceKey, json, kinds};
use portolan_store::Snapshot;
use serde_json::{Map, Value, json};

use super::matched::{self, Host, Matched, attachment, keys};
use crate::{
    answer, call::Call, problem::Problem, read::key, router::Shared, write::refusal::check_mesh,
};

/// For a gateway instance its MeshGateway, listeners, hosts, routes, their destinations and the policies for
/// each; for a delegated one its outbounds with theirs.
pub(crate) async fn policies(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let snapshot = api.store.index().snapshot();
    check_mesh(&snapshot, kinds::DATAPLANE, &call.mesh)?;
    snapshot
        .get(&key(kinds::DATAPLANE, &call.mesh, &call.name))
        .ok_or_else(|| Problem::not_found("Could not retrieve a resource"))?;
    let work = tokio::task::spawn_blocking(move || {
        let chart = api.gateways.mesh(&api.role, &snapshot, &call.mesh);
        let view = View {
            chart: &chart,
            snapshot: &snapshot,
            mesh: call.mesh.as_str().into(),
        };
        view.inspected(&call.name)
    });
    let body = work.await.map_err(|_| Problem::internal())?;
    Ok(answer::json(StatusCode::OK, &body))
}

struct View<'a> {
    chart: &'a Chart,
    snapshot: &'a Snapshot,
    mesh: Arc<str>,
}

impl View<'_> {
    fn inspected(&self, dataplane: &str) -> Value {
        let Some(fleet) = self.chart.fleet_of(dataplane) else {
            let mut delegated = self.chart.delegated();
            let instance = delegated.find(|(name, _)| ***name == *dataplane);
            let items = instance.map_or_else(Vec::new, |(_, instance)| self.outbounds(instance));
            return json!({ "kind": "SidecarDataplane", "total": items.len(), "items": items });
        };
        let gateway = fleet.gateway.as_ref();
        let name = gateway.map_or("", |gateway| &*gateway.key.name);
        let listeners = matched::listeners(self.chart, &self.mesh, fleet);
        let listeners: Vec<_> = listeners
            .iter()
            .map(|listener| {
                let hosts: Vec<_> = listener.hosts.iter().map(|host| self.host(host)).collect();
                json!({ "port": listener.port, "protocol": listener.protocol, "hosts": hosts })
            })
            .collect();
        let mut inspected = json!({
            "kind": "MeshGatewayDataplane",
            "gateway": { "mesh": &*self.mesh, "name": name },
            "listeners": listeners,
        });
        let for_all = self.metas(&matched::of_proxies(self.chart, &self.mesh, fleet));
        if !for_all.is_empty() {
            inspected["policies"] = for_all.into();
        }
        inspected
    }

    /// What is known of these policies, by kind.
    fn metas(&self, policies: &[ResourceKey]) -> Map<String, Value> {
        let metas = policies.iter().filter_map(|key| {
            let kind = key.kind.name().to_owned();
            Some((kind, self.meta(key)?))
        });
        metas.collect()
    }

    fn host(&self, host: &Host) -> Value {
        let routes = host.routes.iter();
        let routes: Vec<_> = routes
            .map(|(name, destinations)| {
                let destinations: Vec<_> = destinations.iter().map(|one| self.told(one)).collect();
                json!({ "route": &**name, "destinations": destinations })
            })
            .collect();
        json!({ "hostName": host.name, "routes": routes })
    }

    fn told(&self, matched: &Matched) -> Value {
        let policies = self.metas(&matched.policies);
        json!({ "tags": matched.destination.tags(), "policies": policies })
    }

    fn meta(&self, key: &ResourceKey) -> Option<Value> {
        Some(json::meta_to_json(self.snapshot.get(key)?).into())
    }

    /// What each outbound of a DELEGATED instance gets, in one item for each thing that it is attached to.
    fn outbounds(&self, instance: &DelegatedInstance) -> Vec<Value> {
        let mut items: BTreeMap<String, Value> = BTreeMap::new();
        for outbound in &instance.outbounds {
            let policies = self.chart.policies();
            let chosen = policies.choose(&instance.tags, &outbound.destination);
            for key in keys(&self.mesh, &chosen) {
                let address = outbound.at.to_string();
                let attached = attachment(key.kind, &address, outbound.destination.service());
                let item = items.entry(attached.to_string()).or_insert_with(|| {
                    let mut item = attached;
                    item["matchedPolicies"] = json!({});
                    item
                });
                item["matchedPolicies"][key.kind.name()] = self.meta(&key).into_iter().collect();
            }
        }
        items.into_values().collect()
    }
}
