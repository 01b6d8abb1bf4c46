//! One Envoy with the same routes on several ports, each time in another layout.

use std::{collections::BTreeMap, net::TcpStream, sync::Arc};

use envoy_types::pb::envoy::{
    config::{
        bootstrap::v3::bootstrap::StaticResources,
        cluster::v3::Cluster,
        listener::v3::{Listener, filter},
        route::v3::{Route, RouteConfiguration, VirtualHost, route, route_match::PathSpecifier},
    },
    extensions::filters::network::http_connection_manager::v3::{
        HttpConnectionManager, http_connection_manager::RouteSpecifier,
    },
};
use portolan_gateway::{ZoneView, layout::Sizes};
use portolan_model::Resource;
use prost::Message;
use serde_json::json;

use super::table::Part;
use crate::{
    envoy::{
        bootstrap::static_resources,
        http::Client,
        process::{Envoy, PATIENCE, edge, free_port},
    },
    support::{ZONE, dataplane, resource, resources, virtual_hosts},
};

/// How the routes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// As they are in the plan.
    Lists,
    /// The same, but for each PREFIX that rewrites nothing a route for the path itself and one for what is below.
    Pairs,
    /// As they are compiled.
    Trees,
    /// With very short lists.
    SmallTrees,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Lists, Self::Pairs, Self::Trees, Self::SmallTrees];

    fn sizes(self, small: Sizes) -> Sizes {
        match self {
            Self::Lists | Self::Pairs => Sizes::LISTS,
            Self::Trees => Sizes::default(),
            Self::SmallTrees => small,
        }
    }
}

/// An Envoy, and where it has which layout.
pub(super) struct Servers {
    envoy: Envoy,
    ports: Vec<(Shape, u16)>,
    /// How many virtual hosts are trees, by layout.
    pub(super) trees: BTreeMap<Shape, usize>,
}

/// The gateway on this port with its services, policies and these routes.
pub(super) fn all_resources(port: u16, echo: u16, parts: &[Part]) -> Vec<Arc<Resource>> {
    let mut all = resources(&edge(port));
    for service in ["echo", "twin", "limited", "faulty"] {
        let tags = format!("{{kuma.io/service: {service}, kuma.io/protocol: http}}");
        all.extend(resources(&format!(
            "
type: Dataplane
name: {service}
networking: {{address: 127.0.0.1, inbound: [{{port: {echo}, tags: {tags}}}]}}
"
        )));
    }
    // What nobody sees: these routes just have more to say.
    all.extend(resources(
        "
type: RateLimit
name: many
sources: [{match: {kuma.io/service: edge}}]
destinations: [{match: {kuma.io/service: limited}}]
conf: {http: {requests: 1000000, interval: 1s}}
---
type: FaultInjection
name: never
sources: [{match: {kuma.io/service: edge}}]
destinations: [{match: {kuma.io/service: faulty, kuma.io/protocol: http}}]
conf: {abort: {percentage: 0, httpStatus: 500}}
",
    ));
    all.extend(parts.iter().map(|part| {
        Arc::new(resource(json!({
            "type": "MeshGatewayRoute",
            "name": part.name,
            "selectors": [{"match": {"kuma.io/service": "edge"}}],
            "conf": {"http": {"hostnames": [part.hostname], "rules": part.rules}},
        })))
    }));
    all
}

impl Servers {
    /// Starts one, unless there is no Envoy. Backends are on port `echo`.
    pub(super) fn start(parts: &[Part], small: Sizes, echo: u16) -> Option<Self> {
        let mut all = StaticResources::default();
        let (mut ports, mut trees) = (Vec::new(), BTreeMap::new());
        for shape in Shape::ALL {
            let port = free_port();
            let mut view = ZoneView::with_sizes(ZONE, shape.sizes(small));
            let resources = all_resources(port, echo, parts);
            resources.iter().for_each(|resource| view.put(resource));
            let compiled = view.compile(&dataplane("gateway")).unwrap();
            assert!(compiled.faults.is_empty(), "{:?}", compiled.faults);
            let hosts = virtual_hosts(&compiled, port);
            let of_trees = hosts.iter().filter(|host| host.matcher.is_some());
            trees.insert(shape, of_trees.count());
            let mut new = static_resources(&compiled);
            if shape == Shape::Pairs {
                new.listeners.iter_mut().for_each(in_pairs);
            }
            all.listeners.append(&mut new.listeners);
            new.clusters.retain(|cluster| is_new(&all, cluster));
            all.clusters.append(&mut new.clusters);
            ports.push((shape, port));
        }
        let envoy = Envoy::start_static(all, ports[0].1)?;
        Some(Self {
            envoy,
            ports,
            trees,
        })
    }

    /// The port of each layout.
    pub(super) fn ports(&self) -> &[(Shape, u16)] {
        &self.ports
    }

    /// A connection to a port.
    pub(super) fn client(&self, port: u16) -> Client<TcpStream> {
        let stream = self.envoy.connect_to(port);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::new(stream)
    }
}

fn is_new(all: &StaticResources, cluster: &Cluster) -> bool {
    let known = all.clusters.iter().find(|known| known.name == cluster.name);
    known.inspect(|known| assert_eq!(*known, cluster)).is_none()
}

/// Splits each route for a path and what is below into two.
fn in_pairs(listener: &mut Listener) {
    for chain in &mut listener.filter_chains {
        let Some(filter::ConfigType::TypedConfig(config)) = &mut chain.filters[0].config_type
        else {
            panic!("a filter without configuration");
        };
        let mut manager = HttpConnectionManager::decode(&*config.value).unwrap();
        let Some(RouteSpecifier::RouteConfig(table)) = &mut manager.route_specifier else {
            panic!("no route table");
        };
        let RouteConfiguration { virtual_hosts, .. } = table;
        for VirtualHost { routes, .. } in virtual_hosts {
            *routes = routes.drain(..).flat_map(pair).collect();
        }
        config.value = manager.encode_to_vec();
    }
}

fn pair(route: Route) -> Vec<Route> {
    let matching = route.r#match.as_ref().unwrap();
    let Some(PathSpecifier::PathSeparatedPrefix(path)) = matching.path_specifier.clone() else {
        return vec![route];
    };
    let rewrites = match route.action.as_ref().unwrap() {
        route::Action::Route(action) => !action.prefix_rewrite.is_empty(),
        route::Action::Redirect(action) => action.path_rewrite_specifier.is_some(),
        _ => false,
    };
    if rewrites {
        return vec![route];
    }
    let below = PathSpecifier::Prefix(format!("{path}/"));
    let with = |specifier| {
        let mut route = route.clone();
        route.r#match.as_mut().unwrap().path_specifier = Some(specifier);
        route
    };
    vec![with(PathSpecifier::Path(path)), with(below)]
}
