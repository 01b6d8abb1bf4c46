//! How Envoy finds, verifies and asks its control plane.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{ADS_CLUSTER, type_url};
use crate::bootstrap::{Address, FEATURE_DELTA, Request, Trust};

/// Name of the secret that holds what Envoy verifies the control plane with.
const VALIDATION: &str = "cp_validation_ctx";
/// How soon Envoy opens a broken ADS stream again, and how long it waits at most. Envoy's own maximum
/// of 30 s would leave proxies alone for long after a restart of the control plane.
const RECONNECT_FIRST: &str = "0.2s";
const RECONNECT_MAX: &str = "5s";

/// All resources come over one ADS stream, delta if the data plane wants it.
pub(super) fn dynamic_resources(request: &Request) -> Value {
    let over_ads = json!({ "ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3" });
    json!({
        "adsConfig": {
            "apiType": if request.has(FEATURE_DELTA) { "DELTA_GRPC" } else { "GRPC" },
            "transportApiVersion": "V3",
            "setNodeOnFirstMessageOnly": true,
            "grpcServices": [grpc_service(request)],
        },
        "cdsConfig": over_ads,
        "ldsConfig": over_ads,
    })
}

fn grpc_service(request: &Request) -> Value {
    let mut service = json!({ "envoyGrpc": {
        "clusterName": ADS_CLUSTER,
        "retryPolicy": { "retryBackOff": {
            "baseInterval": RECONNECT_FIRST,
            "maxInterval": RECONNECT_MAX,
        }},
    }});
    if !request.dataplane_token.is_empty() {
        service["initialMetadata"] =
            json!([{ "key": "authorization", "value": request.dataplane_token.expose() }]);
    }
    service
}

/// The control plane as a cluster, over TLS.
pub(super) fn cluster(address: &Address, connect_timeout: Duration) -> Value {
    let socket = json!({ "socketAddress": { "address": address.host, "portValue": address.port } });
    let mut cluster = grpc_cluster(ADS_CLUSTER, socket, connect_timeout);
    if !address.is_ip() {
        // All addresses of the name, tried in turn within one attempt to connect.
        cluster["type"] = "LOGICAL_DNS".into();
        cluster["dnsLookupFamily"] = "ALL".into();
    }
    let mut tls = json!({
        "@type": type_url("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
        "commonTlsContext": {
            "tlsParams": { "tlsMinimumProtocolVersion": "TLSv1_2" },
            "validationContextSdsSecretConfig": { "name": VALIDATION },
        },
    });
    if !address.is_ip() {
        tls["sni"] = address.host.as_str().into();
    }
    cluster["transportSocket"] =
        json!({ "name": "envoy.transport_sockets.tls", "typedConfig": tls });
    cluster
}

/// A cluster of one endpoint that speaks HTTP/2 and notices when the other side has vanished.
pub(super) fn grpc_cluster(name: &str, address: Value, connect_timeout: Duration) -> Value {
    const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": name,
        "type": "STATIC",
        "connectTimeout": format!("{}s", connect_timeout.as_secs_f64()),
        "loadAssignment": {
            "clusterName": name,
            "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": address } }] }],
        },
        "typedExtensionProtocolOptions": {
            PROTOCOL: {
                "@type": type_url(PROTOCOL),
                "explicitHttpConfig": { "http2ProtocolOptions": {} },
            },
        },
        "upstreamConnectionOptions": {
            "tcpKeepalive": { "keepaliveProbes": 3, "keepaliveTime": 10, "keepaliveInterval": 10 },
        },
    })
}

/// What the control plane's certificate must show: a signature of the CA, and the name by which the
/// data plane knows it.
pub(super) fn validation(address: &Address, trust: &Trust) -> Value {
    let trusted = match trust {
        Trust::Inline(pem) => json!({ "inlineBytes": BASE64_STANDARD.encode(pem) }),
        Trust::File(path) => json!({ "filename": path }),
    };
    let kind = if address.is_ip() { "IP_ADDRESS" } else { "DNS" };
    json!({
        "name": VALIDATION,
        "validationContext": {
            "matchTypedSubjectAltNames": [
                { "sanType": kind, "matcher": { "exact": address.host } },
            ],
            "trustedCa": trusted,
        },
    })
}
