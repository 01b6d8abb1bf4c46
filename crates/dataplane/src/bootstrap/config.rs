//! Envoy's bootstrap, piece by piece, in the order of Envoy's documentation.

mod control_plane;
mod node;

use serde_json::{Map, Value, json};

use super::{
    ADMIN_SOCKET, Address, FEATURE_ACCESS_LOG_SOCKET, Proxy, Request, Settings, Trust,
    access_log_pipe,
};

/// Name of the static cluster that is the control plane.
const ADS_CLUSTER: &str = "ads_cluster";
/// Name of the static cluster that is the data plane's socket for TCP access logs.
const ACCESS_LOG_CLUSTER: &str = "access_log_sink";
/// Name of the runtime layer that the control plane fills.
const RUNTIME_LAYER: &str = "gateway.listeners";
/// Kuma's limit for paths of sockets, which leaves room for `.sock`.
const MAX_SOCKET_STEM: usize = 98;
/// Shares of the memory limit at which Envoy gives memory back, and stops to take requests.
const SHRINK_HEAP_AT: f64 = 0.95;
const STOP_ACCEPTING_AT: f64 = 0.98;

/// The whole configuration.
pub(super) fn bootstrap(
    request: &Request,
    settings: &Settings,
    proxy: &Proxy,
    address: &Address,
    trust: &Trust,
) -> Value {
    let mut clusters = vec![control_plane::cluster(address, settings.connect_timeout)];
    if request.has(FEATURE_ACCESS_LOG_SOCKET) {
        clusters.push(access_log_sink(request, settings, proxy));
    }
    let mut config = json!({
        "node": node::node(request, settings, proxy),
        "dynamicResources": control_plane::dynamic_resources(request),
        "staticResources": {
            "clusters": clusters,
            "secrets": [control_plane::validation(address, trust)],
        },
        "layeredRuntime": { "layers": runtime_layers(proxy) },
        "admin": admin(request, settings, proxy),
        "defaultRegexEngine": {
            "name": "envoy.regex_engines.google_re2",
            "typedConfig": { "@type": type_url("envoy.extensions.regex_engines.v3.GoogleRE2") },
        },
        "statsConfig": { "statsTags": stats_tags() },
    });
    if proxy.is_gateway {
        config["overloadManager"] = overload_manager(request, settings);
    }
    config
}

/// The admin interface: a socket that only the proxy's user may open, or a port for a data plane that
/// has no folder.
fn admin(request: &Request, settings: &Settings, proxy: &Proxy) -> Value {
    let address = match admin_socket(request) {
        Some(path) => json!({ "pipe": { "path": path, "mode": 0o600 } }),
        None => json!({ "socketAddress": {
            "address": node::ADMIN_ADDRESS,
            "portValue": node::admin_port(settings, proxy),
        }}),
    };
    json!({
        "address": address,
        "accessLog": [{
            "name": "envoy.access_loggers.file",
            "typedConfig": {
                "@type": type_url("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
                "path": "/dev/null",
            },
        }],
    })
}

fn admin_socket(request: &Request) -> Option<String> {
    let stem = ADMIN_SOCKET.trim_end_matches(".sock");
    (!request.workdir.is_empty()).then(|| socket(&request.workdir, stem))
}

/// A socket in the data plane's folder, cut as Kuma cuts it so that kuma-dp looks at the same path.
pub(super) fn socket(workdir: &str, stem: &str) -> String {
    let path = format!("{}/{stem}", workdir.trim_end_matches('/'));
    let end = (0..=MAX_SOCKET_STEM.min(path.len()))
        .rev()
        .find(|&end| path.is_char_boundary(end));
    format!("{}.sock", &path[..end.unwrap_or_default()])
}

/// Static limits, and for gateways a layer that the control plane fills.
fn runtime_layers(proxy: &Proxy) -> Vec<Value> {
    let mut layers = vec![json!({
        "name": "kuma",
        "staticLayer": {
            "re2.max_program_size.error_level": u32::MAX,
            "re2.max_program_size.warn_level": 1000,
        },
    })];
    if proxy.is_gateway {
        layers.push(json!({
            "name": RUNTIME_LAYER,
            "rtdsLayer": {
                "name": RUNTIME_LAYER,
                "rtdsConfig": { "ads": {}, "resourceApiVersion": "V3" },
            },
        }));
    }
    layers
}

/// A gateway stands at the edge, so it bounds its connections and, where it has a limit, its memory.
fn overload_manager(request: &Request, settings: &Settings) -> Value {
    const CONNECTIONS: &str = "envoy.resource_monitors.global_downstream_max_connections";
    const HEAP: &str = "envoy.resource_monitors.fixed_heap";
    let mut monitors = vec![json!({
        "name": CONNECTIONS,
        "typedConfig": {
            "@type": type_url("envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"),
            "maxActiveDownstreamConnections": settings.max_downstream_connections.to_string(),
        },
    })];
    let mut manager = Map::from_iter([("refreshInterval".to_owned(), json!("0.250s"))]);
    let limit = request.resources.max_heap_size_bytes;
    if limit > 0 {
        monitors.push(json!({
            "name": HEAP,
            "typedConfig": {
                "@type": type_url("envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig"),
                "maxHeapSizeBytes": limit.to_string(),
            },
        }));
        let action = |name: &str, share: f64| {
            let trigger = json!({ "name": HEAP, "threshold": { "value": share } });
            json!({ "name": format!("envoy.overload_actions.{name}"), "triggers": [trigger] })
        };
        manager.insert(
            "actions".to_owned(),
            json!([
                action("shrink_heap", SHRINK_HEAP_AT),
                action("stop_accepting_requests", STOP_ACCEPTING_AT),
            ]),
        );
    }
    manager.insert("resourceMonitors".to_owned(), monitors.into());
    manager.into()
}

/// The data plane's own socket, where Envoy sends TCP access logs.
fn access_log_sink(request: &Request, settings: &Settings, proxy: &Proxy) -> Value {
    let path = access_log_pipe(&request.workdir, &proxy.mesh, &proxy.name);
    control_plane::grpc_cluster(
        ACCESS_LOG_CLUSTER,
        json!({ "pipe": { "path": path } }),
        settings.connect_timeout,
    )
}

/// Tags that Envoy's built-in ones do not find in names of statistics.
fn stats_tags() -> Vec<Value> {
    let tags = [
        ("name", r"^grpc\.((.+)\.)"),
        ("status", r"^grpc.*streams_closed(_([0-9]+))"),
        ("kafka_name", r"^kafka(\.(\S*[0-9]))\."),
        ("kafka_type", r"^kafka\..*\.(.*?(?=_duration|$))"),
        ("worker", r"(worker_([0-9]+)\.)"),
        ("listener", r"((.+?)\.)rbac\."),
    ];
    tags.map(|(name, regex)| json!({ "tagName": name, "regex": regex }))
        .into()
}

fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
