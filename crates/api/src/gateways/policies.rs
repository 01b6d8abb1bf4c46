//! `GET /meshes/{mesh}/dataplanes/{name}/policies`: what `kumactl inspect dataplane` shows.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_gateway::{chart::Chart, plan::member::Member};
use portolan_model::{ResourceKey, json, kinds};
use portolan_store::Snapshot;
use serde_json::{Map, Value, json};

use super::{
    matched::{self, Host, Matched},
    members,
};
use crate::{
    answer, call::Call, config::Role, problem::Problem, read::key, router::Shared,
    write::refusal::check_mesh,
};

/// For a gateway instance its MeshGateway, listeners, hosts, routes, their destinations and the policies for
/// each; for a delegated one its outbounds with theirs, and for a member its inbounds too.
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
            role: &api.role,
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
    role: &'a Role,
    mesh: Arc<str>,
}

impl View<'_> {
    fn inspected(&self, dataplane: &str) -> Value {
        let Some(fleet) = self.chart.fleet_of(dataplane) else {
            let items = self.sidecar(dataplane);
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

    /// What a proxy beside something else gets, in one item for each thing that it is attached to.
    fn sidecar(&self, dataplane: &str) -> Vec<Value> {
        let mut items = Items::default();
        let mut delegated = self.chart.delegated();
        let delegated = delegated.find(|(name, _)| ***name == *dataplane);
        let key = key(kinds::DATAPLANE, &self.mesh, dataplane);
        let member = members::one(self.snapshot, self.role, &key);
        if let Some(member) = &member {
            self.inbounds(member, &mut items);
        }
        let member = member.as_ref().map(|member| &*member.outbound);
        if let Some(instance) = delegated.map(|(_, instance)| instance).or(member) {
            for (key, attachment) in matched::outbounds(self.chart, &self.mesh, instance) {
                items.add(&attachment, key.kind.name(), self.meta(&key));
            }
        }
        items.items
    }

    fn inbounds(&self, member: &Member, items: &mut Items) {
        for inbound in &member.inbounds {
            let attachment = members::attachment(inbound);
            for key in members::policies(self.chart, &self.mesh, inbound) {
                items.add(&attachment, key.kind.name(), self.meta(&key));
            }
        }
    }
}

/// What is attached, in the order in which it was added.
#[derive(Default)]
struct Items {
    items: Vec<Value>,
}

impl Items {
    fn add(&mut self, attachment: &Value, kind: &str, meta: Option<Value>) {
        let same = |item: &&mut Value| {
            let mut parts = ["type", "name", "service"].iter();
            parts.all(|part| item[part] == attachment[part])
        };
        let item = match self.items.iter_mut().find(same) {
            Some(item) => item,
            None => {
                let mut item = attachment.clone();
                item["matchedPolicies"] = json!({});
                self.items.push(item);
                // It was pushed just now.
                let last = self.items.len() - 1;
                &mut self.items[last]
            }
        };
        let policies = &mut item["matchedPolicies"][kind];
        match policies.as_array_mut() {
            Some(others) => others.extend(meta.filter(|meta| !others.contains(meta))),
            None => *policies = meta.into_iter().collect(),
        }
    }
}
