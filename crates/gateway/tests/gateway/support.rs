//! Resources written as YAML, and views of them.

use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3::{
    RouteConfiguration, VirtualHost, redirect_action::SchemeRewriteSpecifier, route::Action,
};
use portolan_gateway::{
    Compiled, ROUTE_CONFIGURATION, ZoneView,
    chart::{Chart, Charts},
};
use portolan_model::{
    Kind, Labels, Resource, ResourceKey, Scope,
    kinds::{DATAPLANE, ZONE_INGRESS},
};
use prost::Message;
use serde::Deserialize;
use serde_json::Value;

/// The zone of every view here.
pub(crate) const ZONE: &str = "east";

/// A gateway instance by name `gateway`, and a MeshGateway `edge` for it with one HTTP listener for all
/// hosts on port 8080.
pub(crate) const EDGE: &str = "
type: Dataplane
name: gateway
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8080, protocol: HTTP}]}
";

/// Reads resources, each a document with `type`, `name` and its spec; empty ones do not count. `mesh` is `default`, and the time
/// of creation the epoch, unless they say otherwise.
pub(crate) fn resources(yaml: &str) -> Vec<Arc<Resource>> {
    serde_norway::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|json| !json.is_null())
        .map(|json| Arc::new(resource(json)))
        .collect()
}

/// One resource, from its JSON.
pub(crate) fn resource(json: Value) -> Resource {
    let text = |field: &str| json.get(field).and_then(Value::as_str).map(str::to_owned);
    let kind = Kind::by_name(&text("type").expect("type")).expect("known kind");
    let created = text("creationTime")
        .map(|time| time.parse().unwrap())
        .unwrap_or_default();
    let labels: Labels = json
        .get("labels")
        .map(|labels| serde_json::from_value(labels.clone()).unwrap())
        .unwrap_or_default();
    let name = text("name").expect("name");
    Resource {
        key: match kind.scope {
            Scope::Global => ResourceKey::global(kind, name),
            Scope::Mesh => {
                let mesh = text("mesh").unwrap_or_else(|| "default".to_owned());
                ResourceKey::in_mesh(kind, mesh, name)
            }
        },
        labels,
        spec: kind.spec_from_json(&json).unwrap(),
        version: 1,
        revision: 1,
        created,
        modified: created,
    }
}

/// A view of resources given as YAML.
pub(crate) fn view(yaml: &str) -> ZoneView {
    let mut view = ZoneView::new(ZONE);
    for resource in resources(yaml) {
        view.put(&resource);
    }
    view
}

/// The chart of mesh `default` with resources given as YAML, all Dataplanes in [`ZONE`] unless labels say
/// otherwise.
pub(crate) fn chart(yaml: &str) -> Arc<Chart> {
    let mut charts = Charts::new(ZONE);
    for resource in resources(yaml) {
        charts.put(&resource);
    }
    charts.mesh("default")
}

/// The key of a Dataplane in mesh `default`.
pub(crate) fn dataplane(name: &str) -> ResourceKey {
    ResourceKey::in_mesh(DATAPLANE, "default", name)
}

/// Where the data plane of every golden takes lines for collectors. Envoy opens it to validate.
pub(crate) const LOG_PIPE: &str = "/dev/null";

/// The configuration of the Dataplane or ZoneIngress `gateway` from resources given as YAML.
pub(crate) fn compile(yaml: &str) -> Arc<Compiled> {
    let ingress = ResourceKey::global(ZONE_INGRESS, "gateway");
    let mut all = resources(yaml).into_iter();
    let key = match all.any(|resource| resource.key == ingress) {
        true => ingress,
        false => dataplane("gateway"),
    };
    view(yaml)
        .compile_with(&key, Some(LOG_PIPE))
        .expect("a gateway instance")
}

/// [`EDGE`] and more.
pub(crate) fn with_edge(yaml: &str) -> String {
    format!("{EDGE}---\n{yaml}")
}

/// The virtual hosts of the route table on a port.
pub(crate) fn virtual_hosts(compiled: &Compiled, port: u16) -> Vec<VirtualHost> {
    let tables = &compiled.resources[ROUTE_CONFIGURATION];
    let suffix = format!(":HTTP:{port}:*");
    let (_, table) = tables
        .iter()
        .find(|(name, _)| name.ends_with(&suffix))
        .expect("a table");
    RouteConfiguration::decode(table.body.clone())
        .unwrap()
        .virtual_hosts
}

/// Where each route of a virtual host redirects to, by the first label of the host: tests name routes
/// so. A direct answer is `nothing`.
pub(crate) fn routes_of(host: &VirtualHost) -> Vec<String> {
    host.routes
        .iter()
        .map(|route| match route.action.as_ref().expect("an action") {
            Action::Redirect(redirect) => match &redirect.scheme_rewrite_specifier {
                Some(SchemeRewriteSpecifier::SchemeRedirect(name)) => name.clone(),
                _ => redirect.host_redirect.clone(),
            },
            Action::DirectResponse(_) => "nothing".to_owned(),
            other => panic!("no redirect: {other:?}"),
        })
        .collect()
}

/// A MeshGatewayRoute whose only rule has these matches and redirects to a host of the route's name.
pub(crate) fn redirecting(name: &str, more: &str, matches: &str) -> String {
    format!(
        "
---
type: MeshGatewayRoute
name: {name}
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{{more} rules: [{{
  matches: {matches},
  filters: [{{redirect: {{hostname: {name}, statusCode: 302}}}}]
}}]}}}}
"
    )
}
