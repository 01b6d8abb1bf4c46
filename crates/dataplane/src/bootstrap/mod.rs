//! The answer to `POST /bootstrap`: the configuration that an Envoy starts with.
//!
//! ```text
//!   Request ──▶ Dataplane (checked) ──┐
//!   Settings ──────────────────────────┼──▶ config::bootstrap ──▶ Answer (YAML, or JSON for kuma-dp)
//!   Host header ──▶ Address ───────────┘
//! ```
//!
//! Pure: the caller reads the request, knows which meshes there are, and writes the answer.

mod address;
mod config;
mod proxy;
mod request;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan_identity::ca;
use portolan_model::Violations;
use serde_json::{Value, json};

pub use address::Address;
pub use proxy::Proxy;
pub use request::{
    EnvoyVersion, KumaDpVersion, MetricsResources, ProxyResources, Request, SpireResources, Version,
};

/// Name of the header that a bare YAML answer carries, and its value: Envoy's API version.
pub const VERSION_HEADER: (&str, &str) = ("kuma-bootstrap-version", "3");
/// Name of the socket of Envoy's admin interface, in the data plane's work folder.
pub const ADMIN_SOCKET: &str = "kuma-envoy-admin.sock";
/// A data plane with this feature wants delta xDS instead of state of the world.
pub const FEATURE_DELTA: &str = "feature-delta-grpc";
/// A data plane with this feature reads a pipe, [`access_log_pipe`], and passes on the lines that Envoy writes
/// there, each to the collector that it names.
pub const FEATURE_ACCESS_LOG_SOCKET: &str = "feature-tcp-accesslog-via-named-pipe";
/// A data plane with this feature shares its ports with others by `SO_REUSEPORT`.
pub const FEATURE_REUSE_PORT: &str = "feature-reuse-port";

/// The pipe for access logs of a Dataplane whose data plane has this folder; the path is Kuma's.
pub fn access_log_pipe(workdir: &str, mesh: &str, name: &str) -> String {
    config::socket(workdir, &format!("kuma-al-{name}-{mesh}"))
}

/// What is the same for all data planes of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The CA (PEM) of the certificate on the data plane port, for data planes that name none; empty
    /// when it is one that systems trust.
    pub ca_pem: String,
    /// Whether a data plane must show a token.
    pub requires_token: bool,
    /// Host that data planes connect to instead of the one at which they sent the request.
    pub host: Option<String>,
    /// Port that data planes connect to when the request names none.
    pub port: u16,
    /// Names in the certificate on the data plane port; empty to leave the host unchecked.
    pub server_names: Vec<String>,
    /// Port that the metadata name for Envoy's admin interface, unless the Dataplane names another.
    pub admin_port: u32,
    /// How long Envoy waits for a connection to the control plane.
    pub connect_timeout: Duration,
    /// How many connections a gateway instance accepts at once.
    pub max_downstream_connections: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca_pem: String::new(),
            requires_token: true,
            host: None,
            port: 5678,
            server_names: Vec::new(),
            admin_port: 9901,
            connect_timeout: Duration::from_secs(1),
            max_downstream_connections: 50_000,
        }
    }
}

/// Why a data plane gets no bootstrap. The text is the answer's body.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// No token, and one is required. (The text is what kuma-dp's users know.)
    #[error(
        "Dataplane Token is required. Generate token using 'kumactl generate dataplane-token > \
         /path/file' and provide it via --dataplane-token-file=/path/file argument to Kuma DP"
    )]
    TokenRequired,
    /// The Dataplane is readable and not valid.
    #[error("{0}")]
    Invalid(Violations),
    /// The Dataplane is not readable.
    #[error("the Dataplane cannot be read: {0}; give it as YAML or JSON with type, mesh and name")]
    Unreadable(String),
    /// The request names another resource than the Dataplane in it.
    #[error("the request is for {request}, but its Dataplane is {dataplane}; make them the same")]
    Mismatch {
        /// Mesh and name of the request.
        request: String,
        /// Mesh and name of the Dataplane.
        dataplane: String,
    },
    /// The Dataplane's mesh does not exist; for callers, who know the meshes.
    #[error("mesh: mesh {0:?} does not exist")]
    UnknownMesh(String),
    /// A proxy that is no data plane.
    #[error("proxies of type {0:?} are not served here; the type must be dataplane or ingress")]
    ProxyType(String),
    /// The data plane reached the control plane in a way that Envoy cannot take.
    #[error("{0:?} is not an address that Envoy can connect to; use https://HOST:PORT")]
    Address(String),
    /// The control plane's certificate is not for the host that the data plane uses.
    #[error(
        "the data plane reaches the control plane as {host:?}, but the control plane's certificate is \
         for {names:?}; use one of these, or give the control plane a certificate for {host:?}"
    )]
    ServerName {
        /// The host of the request.
        host: String,
        /// The certificate's names.
        names: Vec<String>,
    },
    /// Envoy could not verify the control plane with this certificate.
    #[error(
        "the data plane would verify the control plane with a certificate that is not a certificate \
         authority (basic constraint CA is false); give it the certificate of the CA"
    )]
    NotAuthority,
    /// Nothing to verify the control plane with.
    #[error(
        "there is no CA to verify the control plane with; give the data plane the CA's certificate"
    )]
    NoAuthority,
}

impl BootstrapError {
    /// The HTTP status of the answer, as Kuma has it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Address(_) | Self::ServerName { .. } | Self::NotAuthority | Self::NoAuthority => {
                400
            }
            _ => 422,
        }
    }
}

/// A rendered bootstrap. It holds the data plane's token, so `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Envoy's bootstrap configuration.
    pub yaml: String,
    /// The address of the Dataplane, which kuma-dp wants to know.
    pub address: String,
}

impl Answer {
    /// The body for those who accept `application/json`, as kuma-dp does.
    pub fn json(&self) -> Value {
        json!({
            "bootstrap": BASE64_STANDARD.encode(&self.yaml),
            "kumaSidecarConfiguration": {
                "networking": { "corefileTemplate": null, "address": self.address },
                "metrics": { "aggregate": [] },
            },
        })
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The bootstrap for `request`, which came in under the authority `host` (the `Host` header).
///
/// # Errors
/// [`BootstrapError`], whose text tells the data plane's user what to do.
pub fn render(
    request: &Request,
    settings: &Settings,
    host: &str,
) -> Result<Answer, BootstrapError> {
    if settings.requires_token
        && request.dataplane_token.is_empty()
        && request.dataplane_token_path.is_empty()
    {
        return Err(BootstrapError::TokenRequired);
    }
    let proxy = Proxy::of(request)?;
    let address = address(settings, host)?;
    let trust = trust(request, settings)?;
    let config = config::bootstrap(request, settings, &proxy, &address, &trust);
    let yaml = serde_norway::to_string(&config)
        .map_err(|error| BootstrapError::Unreadable(error.to_string()))?;
    Ok(Answer {
        yaml,
        address: proxy.address,
    })
}

/// Where Envoy finds the control plane.
fn address(settings: &Settings, host: &str) -> Result<Address, BootstrapError> {
    if let Some(host) = &settings.host {
        return Ok(Address {
            host: host.clone(),
            port: settings.port,
        });
    }
    let address = Address::parse(host, settings.port)
        .ok_or_else(|| BootstrapError::Address(host.to_owned()))?;
    let names = &settings.server_names;
    if !names.is_empty() && !ca::covers(names, &address.host) {
        return Err(BootstrapError::ServerName {
            host: address.host,
            names: names.clone(),
        });
    }
    Ok(address)
}

/// What Envoy verifies the control plane with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    /// Certificates (PEM) in the configuration itself.
    Inline(String),
    /// The file with the authorities that the proxy's machine trusts.
    File(String),
}

/// The data plane's own CA goes first, then the control plane's, then those of the machine. A control
/// plane whose certificate comes from outside may know its chain alone, which verifies nothing.
fn trust(request: &Request, settings: &Settings) -> Result<Trust, BootstrapError> {
    let usable = |pem: &str| match ca::is_authority(pem) {
        Some(true) => Ok(Trust::Inline(pem.to_owned())),
        Some(false) => Err(BootstrapError::NotAuthority),
        None => Err(BootstrapError::NoAuthority),
    };
    if !request.ca_cert.trim().is_empty() {
        return usable(&request.ca_cert);
    }
    match usable(&settings.ca_pem) {
        Err(_) if !request.system_ca_path.is_empty() => {
            Ok(Trust::File(request.system_ca_path.clone()))
        }
        outcome => outcome,
    }
}
