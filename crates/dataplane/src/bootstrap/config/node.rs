//! Envoy's node: who the proxy is, told to the control plane with the first request of each stream.

use serde_json::{Map, Value, json};

use super::admin_socket;
use crate::bootstrap::{Proxy, Request, Settings};

/// Address of an admin interface that is a port.
pub(super) const ADMIN_ADDRESS: &str = "127.0.0.1";

pub(super) fn node(request: &Request, settings: &Settings, proxy: &Proxy) -> Value {
    json!({
        "id": format!("{}.{}", proxy.mesh, proxy.name),
        "cluster": proxy.service,
        "metadata": metadata(request, settings, proxy),
    })
}

pub(super) fn admin_port(settings: &Settings, proxy: &Proxy) -> u32 {
    if proxy.admin_port == 0 {
        settings.admin_port
    } else {
        proxy.admin_port
    }
}

/// The names are those that Kuma's control planes read, numbers being texts.
fn metadata(request: &Request, settings: &Settings, proxy: &Proxy) -> Map<String, Value> {
    let mut metadata = Map::new();
    let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);

    set("dataplane.resource", json!(request.dataplane_resource));
    set("dataplane.proxyType", json!(proxy.proxy_type));
    set("dataplane.admin.address", json!(ADMIN_ADDRESS));
    set(
        "dataplane.admin.port",
        json!(admin_port(settings, proxy).to_string()),
    );
    if let Some(socket) = admin_socket(request) {
        set("dataplane.admin.socketPath", json!(socket));
    }
    for (name, port) in [
        ("dataplane.dns.port", request.dns_port),
        ("dataplane.readinessReporter.port", request.readiness_port),
    ] {
        if port != 0 {
            set(name, json!(port.to_string()));
        }
    }
    if request.app_probe_proxy {
        set("dataplane.appProbeProxy.enabled", json!("true"));
    }
    if !request.dynamic_metadata.is_empty() {
        set("dynamicMetadata", json!(request.dynamic_metadata));
    }
    for (name, value) in [
        ("transparentProxy", &request.transparent_proxy),
        ("otelEnvInventory", &request.otel_env),
    ] {
        if let Some(value) = value {
            set(name, value.clone());
        }
    }
    set("features", json!(request.features));
    set("ipv6Enabled", json!(request.ipv6_enabled));
    set(
        "metricsCertPath",
        json!(request.metrics_resources.cert_path),
    );
    set("metricsKeyPath", json!(request.metrics_resources.key_path));
    set(
        "spireAgent.socketPath",
        json!(request.spire_resources.socket_path),
    );
    set("systemCaPath", json!(request.system_ca_path));
    set("version", json!(request.version));
    set("workdir", json!(request.workdir));
    metadata
}
