//! What Portolan makes of a table, for an Envoy.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use portolan_gateway::{Compiled, ZoneView, layout::Sizes};
use portolan_model::{
    Kind, Labels, Resource, ResourceKey,
    kinds::{DATAPLANE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
};
use portolan_xds::{Resource as XdsResource, Snapshot};
use serde_json::{Value, json};

use super::{
    kuma,
    table::{HEADER, Rule, Table},
};
use crate::routes::{self, SERVICES};

/// A gateway with the routes of a table, compiled as in a zone.
pub(crate) struct Configuration {
    view: ZoneView,
    rules: Vec<Rule>,
    watermark: u64,
    form: Form,
}

/// How routes are told an Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As Portolan does, with lists of these sizes.
    Portolan(Sizes),
    /// As Kuma does.
    Kuma,
}

impl Configuration {
    /// A gateway on this address whose routes lead to the services by turns.
    pub(crate) fn new(
        table: &Table,
        form: Form,
        listener: SocketAddr,
        backends: [SocketAddr; 2],
    ) -> anyhow::Result<Self> {
        let sizes = match form {
            Form::Portolan(sizes) => sizes,
            Form::Kuma => Sizes::LISTS,
        };
        let mut view = ZoneView::with_sizes("bench", sizes);
        let mut put = |kind, name: &str, spec: &Value| -> anyhow::Result<()> {
            view.put(&resource(kind, name, spec)?);
            Ok(())
        };
        let instance = json!({ "networking": {
            "address": listener.ip().to_string(),
            "gateway": { "type": "BUILTIN", "tags": { "kuma.io/service": "edge-gateway" } },
        } });
        put(DATAPLANE, "gateway", &instance)?;
        put(MESH_GATEWAY, "edge", &routes::gateway(listener.port()))?;
        for (service, backend) in SERVICES.into_iter().zip(backends) {
            let tags = json!({ "kuma.io/service": service, "kuma.io/protocol": "http" });
            let inbound = [json!({ "port": backend.port(), "tags": tags })];
            let spec = json!({ "networking": {
                "address": backend.ip().to_string(), "inbound": inbound,
            } });
            put(DATAPLANE, service, &spec)?;
        }
        let mut configuration = Self {
            view,
            rules: Vec::new(),
            watermark: 0,
            form,
        };
        configuration.add(table)?;
        Ok(configuration)
    }

    /// Adds the routes of a table where there are none.
    pub(crate) fn add(&mut self, table: &Table) -> anyhow::Result<()> {
        self.rules.clone_from(&table.rules);
        for number in 0..self.rules.len() {
            self.lead(number, service(number))?;
        }
        Ok(())
    }

    /// What an Envoy should have now.
    pub(crate) fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        let instance = ResourceKey::in_mesh(DATAPLANE, "default", "gateway");
        let compiled = self.view.compile(&instance).context("no gateway")?;
        ensure!(compiled.faults.is_empty(), "{:?}", compiled.faults);
        self.watermark += 1;
        let mut snapshot = snapshot(&compiled, self.watermark);
        if self.form == Form::Kuma {
            kuma::rewrite(&mut snapshot)?;
        }
        Ok(snapshot)
    }

    /// Leads a route to a service.
    pub(crate) fn lead(&mut self, number: usize, service: &str) -> anyhow::Result<()> {
        let spec = route(&self.rules[number], service);
        self.view
            .put(&resource(MESH_GATEWAY_ROUTE, &name(number), &spec)?);
        Ok(())
    }
}

/// The service that a route leads to.
pub(crate) fn service(number: usize) -> &'static str {
    SERVICES[number % SERVICES.len()]
}

/// Names order what nothing else does.
fn name(number: usize) -> String {
    format!("route-{number:05}")
}

fn route(rule: &Rule, service: &str) -> Value {
    let path = |kind: &str, value: &str| json!({ "match": kind, "value": value });
    let header = [json!({ "match": "EXACT", "name": HEADER.0, "value": HEADER.1 })];
    let matches = match rule {
        Rule::Prefix(value) => json!({ "path": path("PREFIX", value) }),
        Rule::PrefixWithHeader(value) => {
            json!({ "path": path("PREFIX", value), "headers": header })
        }
        Rule::Regex(value) => json!({ "path": path("REGEX", value) }),
    };
    let backends = [json!({ "destination": { "kuma.io/service": service } })];
    json!({
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "http": { "rules": [{ "matches": [matches], "backends": backends }] } },
    })
}

fn resource(kind: Kind, name: &str, spec: &Value) -> anyhow::Result<Arc<Resource>> {
    let mut spec = spec.clone();
    // What a whole document has besides.
    if let Some(fields) = spec.as_object_mut() {
        for field in ["type", "mesh", "name"] {
            fields.remove(field);
        }
    }
    let spec = kind.spec_from_json(&spec);
    Ok(Arc::new(Resource {
        key: ResourceKey::in_mesh(kind, "default", name),
        labels: Labels::new(),
        spec: spec.map_err(|error| anyhow::anyhow!("{name}: {error:?}"))?,
        version: 1,
        revision: 1,
        created: Timestamp::UNIX_EPOCH,
        modified: Timestamp::UNIX_EPOCH,
    }))
}

fn snapshot(compiled: &Compiled, watermark: u64) -> Snapshot {
    let types = compiled.resources.iter().map(|(type_url, resources)| {
        let resources = resources.iter().map(|(name, encoded)| {
            let resource = XdsResource {
                version: encoded.version.clone(),
                body: encoded.body.clone(),
            };
            (name.clone(), resource)
        });
        (*type_url, Arc::new(resources.collect()))
    });
    Snapshot {
        watermark,
        types: types.collect(),
    }
}
