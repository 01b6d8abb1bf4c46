//! A route table as Kuma 2.14 emits it for the same routes: one list, with two routes for a prefix, and with
//! everything said on each route.

use std::sync::Arc;

use envoy_types::pb::{
    envoy::config::{
        core::v3::HeaderValueOption,
        route::v3::{
            Route, RouteConfiguration, VirtualHost, WeightedCluster, route::Action,
            route_action::ClusterSpecifier, route_match::PathSpecifier,
            weighted_cluster::ClusterWeight,
        },
    },
    google::protobuf::{Duration, UInt32Value},
};
use portolan_gateway::ROUTE_CONFIGURATION;
use portolan_xds::{Resource, Snapshot};
use prost::Message;

/// What the Timeout of a new mesh says.
const REQUEST_SECONDS: i64 = 15;
/// What Kuma's gateways always say.
const IDLE_SECONDS: i64 = 5;

/// Rewrites the tables of a snapshot, which are lists.
pub(crate) fn rewrite(snapshot: &mut Snapshot) -> anyhow::Result<()> {
    let Some(tables) = snapshot.types.get_mut(ROUTE_CONFIGURATION) else {
        return Ok(());
    };
    for resource in Arc::make_mut(tables).values_mut() {
        let mut table = RouteConfiguration::decode(&*resource.body)?;
        let tags = std::mem::take(&mut table.request_headers_to_add);
        for host in &mut table.virtual_hosts {
            spell_out(host, &tags);
        }
        *resource = Resource {
            version: format!("{}-kuma", resource.version).into(),
            body: table.encode_to_vec().into(),
        };
    }
    Ok(())
}

fn spell_out(host: &mut VirtualHost, tags: &[HeaderValueOption]) {
    let retries = host.retry_policy.take();
    let (mut exact, mut others) = (Vec::new(), Vec::new());
    for mut route in std::mem::take(&mut host.routes) {
        if let Some(Action::Route(action)) = &mut route.action {
            action.timeout = seconds(REQUEST_SECONDS);
            action.idle_timeout = seconds(IDLE_SECONDS);
            action.retry_policy.clone_from(&retries);
            if let Some(ClusterSpecifier::Cluster(name)) = action.cluster_specifier.take() {
                let cluster = ClusterWeight {
                    name,
                    weight: Some(UInt32Value { value: 1 }),
                    request_headers_to_add: tags.to_vec(),
                    ..ClusterWeight::default()
                };
                let clusters = WeightedCluster {
                    clusters: vec![cluster],
                    ..WeightedCluster::default()
                };
                action.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(clusters));
            }
        }
        match path(&route) {
            Some(PathSpecifier::PathSeparatedPrefix(prefix)) => {
                let below = PathSpecifier::Prefix(format!("{prefix}/"));
                exact.push(with_path(&route, PathSpecifier::Path(prefix.clone())));
                others.push(with_path(&route, below));
            }
            _ => others.push(route),
        }
    }
    exact.extend(others);
    host.routes = exact;
}

fn path(route: &Route) -> Option<&PathSpecifier> {
    route.r#match.as_ref()?.path_specifier.as_ref()
}

fn with_path(route: &Route, path: PathSpecifier) -> Route {
    let mut route = route.clone();
    if let Some(of) = &mut route.r#match {
        of.path_specifier = Some(path);
    }
    route
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}
