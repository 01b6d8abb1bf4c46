//! What a data plane says about itself when it asks for its bootstrap. Names are Kuma's; what is
//! missing or null counts as empty, for data planes of other versions.

use std::collections::BTreeMap;

use portolan_identity::Secret;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The body of `POST /bootstrap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// Mesh of the Dataplane.
    #[serde(deserialize_with = "null_is_empty")]
    pub mesh: String,
    /// Name of the Dataplane.
    #[serde(deserialize_with = "null_is_empty")]
    pub name: String,
    /// `dataplane` (also when empty), `ingress` or `egress`.
    #[serde(deserialize_with = "null_is_empty")]
    pub proxy_type: String,
    /// The token that Envoy shows on its ADS stream.
    #[serde(deserialize_with = "null_is_empty")]
    pub dataplane_token: Secret,
    /// The file that the token came from.
    #[serde(deserialize_with = "null_is_empty")]
    pub dataplane_token_path: String,
    /// The Dataplane, YAML or JSON.
    #[serde(deserialize_with = "null_is_empty")]
    pub dataplane_resource: String,
    /// Versions of the data plane and its Envoy.
    #[serde(deserialize_with = "null_is_empty")]
    pub version: Version,
    /// The CA (PEM) with which the data plane verifies the control plane.
    #[serde(deserialize_with = "null_is_empty")]
    pub ca_cert: String,
    /// Free metadata of the data plane.
    #[serde(deserialize_with = "null_is_empty")]
    pub dynamic_metadata: BTreeMap<String, String>,
    /// What the data plane found about OpenTelemetry in its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otel_env: Option<Value>,
    /// Port of the data plane's DNS; 0 if it has none.
    #[serde(deserialize_with = "null_is_empty")]
    pub dns_port: u32,
    /// Port at which the data plane tells whether it is ready; 0 if it does not.
    #[serde(deserialize_with = "null_is_empty")]
    pub readiness_port: u32,
    /// Whether the data plane's proxy for application probes is *on*: the name on the wire says the
    /// contrary, and Kuma keeps it so for data planes of older versions.
    #[serde(rename = "appProbeProxyDisabled", deserialize_with = "null_is_empty")]
    pub app_probe_proxy: bool,
    /// `linux` or `darwin`.
    #[serde(deserialize_with = "null_is_empty")]
    pub operating_system: String,
    /// What the data plane can do, as [`FEATURE_DELTA`](super::FEATURE_DELTA).
    #[serde(deserialize_with = "null_is_empty")]
    pub features: Vec<String>,
    /// What the proxy may use of its machine.
    #[serde(deserialize_with = "null_is_empty")]
    pub resources: ProxyResources,
    /// Folder of the data plane, where the sockets are.
    #[serde(deserialize_with = "null_is_empty")]
    pub workdir: String,
    /// Certificate of the data plane's metrics port.
    #[serde(deserialize_with = "null_is_empty")]
    pub metrics_resources: MetricsResources,
    /// File with the authorities that the data plane's machine trusts.
    #[serde(deserialize_with = "null_is_empty")]
    pub system_ca_path: String,
    /// The data plane's transparent proxy.
    #[serde(rename = "dataplaneConfig", skip_serializing_if = "Option::is_none")]
    pub transparent_proxy: Option<Value>,
    /// Whether the machine has IPv6.
    #[serde(deserialize_with = "null_is_empty")]
    pub ipv6_enabled: bool,
    /// Where a SPIRE agent is.
    #[serde(deserialize_with = "null_is_empty")]
    pub spire_resources: SpireResources,
}

impl Request {
    /// Whether the data plane has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

/// Versions of the data plane and its Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Version {
    /// The data plane: kuma-dp, or Portolan itself.
    pub kuma_dp: KumaDpVersion,
    /// Its Envoy.
    pub envoy: EnvoyVersion,
}

/// Version of a data plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KumaDpVersion {
    /// As in `2.14.3`.
    pub version: String,
    /// As in `v2.14.3`.
    pub git_tag: String,
    /// A commit.
    pub git_commit: String,
    /// When it was built.
    pub build_date: String,
}

/// Version of an Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvoyVersion {
    /// As in `1.40.0`.
    pub version: String,
    /// As in `c3b5.../1.40.0/Clean/RELEASE/BoringSSL`.
    pub build: String,
    /// Whether the data plane finds it new enough.
    pub kuma_dp_compatible: bool,
}

/// What a proxy may use of its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyResources {
    /// Memory in bytes; 0 for no limit.
    pub max_heap_size_bytes: u64,
}

/// Certificate of a metrics port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsResources {
    /// File of the certificate.
    pub cert_path: String,
    /// File of its key.
    pub key_path: String,
}

/// Where a SPIRE agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SpireResources {
    /// Its socket.
    pub socket_path: String,
}

/// Go writes what is empty as `null`.
fn null_is_empty<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
