//! What hands bytes on: the TCP proxy.

use std::time::Duration;

use envoy_types::pb::envoy::{
    config::listener::v3::Filter,
    extensions::filters::network::tcp_proxy::v3::{
        TcpProxy,
        tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
    },
};

use super::{Logged, Site, defaults, duration, listener::network_filter, number, policy};
use crate::plan::{policy::Chosen, tcp::Share};

/// The proxy to these clusters.
pub(super) fn filter(shares: &[Share], chosen: &Chosen, site: &Site<'_>) -> Filter {
    let proxy = proxy(clusters(shares), site.service, defaults::TCP_IDLE, chosen);
    let logs = site.logged.iter().filter_map(Logged::connections);
    as_filter(&TcpProxy {
        access_log: logs.collect(),
        ..proxy
    })
}

/// The proxy to one cluster, which ends connections that are idle for so long if no policy says how long.
/// Statistics are named after `service`.
pub(super) fn to_one(
    cluster: &str,
    service: &str,
    idle: Duration,
    chosen: &Chosen,
    logged: Option<&Logged<'_>>,
) -> Filter {
    let cluster = ClusterSpecifier::Cluster(cluster.to_owned());
    as_filter(&TcpProxy {
        access_log: logged.and_then(Logged::connections).into_iter().collect(),
        ..proxy(cluster, service, idle, chosen)
    })
}

fn proxy(clusters: ClusterSpecifier, service: &str, idle: Duration, chosen: &Chosen) -> TcpProxy {
    let timeout = chosen.timeout.as_ref();
    let idle = timeout
        .and_then(|policy| policy.conf.tcp_idle)
        .unwrap_or(idle);
    TcpProxy {
        stat_prefix: service.to_owned(),
        cluster_specifier: Some(clusters),
        idle_timeout: duration(idle),
        max_connect_attempts: number(policy::retry::connects(chosen)),
        ..TcpProxy::default()
    }
}

fn as_filter(proxy: &TcpProxy) -> Filter {
    network_filter(
        "envoy.filters.network.tcp_proxy",
        "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        proxy,
    )
}

fn clusters(shares: &[Share]) -> ClusterSpecifier {
    if let [only] = shares {
        return ClusterSpecifier::Cluster(only.cluster.to_string());
    }
    let clusters = shares.iter().map(|share| ClusterWeight {
        name: share.cluster.to_string(),
        weight: share.weight,
        ..ClusterWeight::default()
    });
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters: clusters.collect(),
    })
}
