//! `portolan dp run`: one Envoy, from its bootstrap to its end.
//!
//! ```text
//!   template ─▶ Request ─▶ fetch (retries while the zone is away) ─▶ envoy.yaml (0600)
//!                                                                      │
//!        ┌──────── dies: again, later each time ◀──────────────┐       ▼
//!        └────────────────────────────────────────────────▶ process ─▶ Live (admin says so)
//!                                                               │
//!                                     cancelled ─▶ drain ─▶ SIGTERM ─▶ SIGKILL
//! ```

mod access_log;
mod admin;
mod drain;
mod fetch;
mod folder;
mod listeners;
mod machine;
mod patience;
mod process;
mod supervise;
mod template;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use portolan_identity::{Secret, files::FileError, tls};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use template::TemplateError;

use crate::{
    bootstrap::{
        EnvoyVersion, FEATURE_ACCESS_LOG_SOCKET, FEATURE_DELTA, FEATURE_REUSE_PORT, KumaDpVersion,
        ProxyResources, Request, Version, access_log_pipe,
    },
    envoy::Envoy,
};
use access_log::Relay;
use folder::Folder;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The zone's data plane port, `https://HOST:5678`.
    pub zone_url: String,
    /// Whom to believe that it is the zone.
    pub trust: tls::Trust,
    /// What the proxy is.
    pub proxy_type: ProxyType,
    /// The Dataplane or ZoneIngress, YAML or JSON, with `{{ name }}` where variables go.
    pub dataplane: String,
    /// The variables, beside `hostname` and `address`: those of this machine, on the way to the zone.
    pub variables: BTreeMap<String, String>,
    /// The data plane's token, if the zone requires one.
    pub token: Option<Secret>,
    /// The Envoy to start.
    pub envoy: Envoy,
    /// Folder for Envoy's configuration and its admin socket; a temporary one if there is none.
    pub work_dir: Option<PathBuf>,
    /// How long open connections may take to end when it stops.
    pub drain_time: Duration,
    /// How long of that it goes on taking new connections, even if none is open.
    pub drain_delay: Duration,
    /// Envoy's number of worker threads; as many as there are processors if there is none.
    pub concurrency: Option<u32>,
    /// Memory in bytes that Envoy may use before it refuses requests; 0 for no limit.
    pub max_heap_bytes: u64,
    /// Envoy's log level, `warning` by default.
    pub log_level: String,
}

/// What a proxy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyType {
    /// That of a Dataplane.
    #[default]
    Dataplane,
    /// That of a ZoneIngress, which lets other zones in.
    Ingress,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Envoy is not there yet, or is there and has no configuration from the zone yet.
    #[default]
    Starting,
    /// Envoy serves.
    Live {
        /// The socket of its admin interface.
        admin: PathBuf,
        /// Its process id.
        pid: u32,
    },
    /// It takes its leave: connections may end, new ones should go elsewhere.
    Draining,
    /// Envoy has ended, and will not come again.
    Stopped,
}

/// Why a run ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The Dataplane's variables do not fit.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The Dataplane is not readable.
    #[error("the Dataplane cannot be read: {0}; it must be YAML or JSON with type, mesh and name")]
    Dataplane(String),
    /// The zone's URL is not one.
    #[error("{url:?} is not the URL of a zone: {reason}; give it as https://HOST:5678")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The zone's certificate is not one to believe.
    #[error(
        "the zone's certificate is not to be trusted: {0}; give the CA's certificate with --ca-cert \
         (a zone with a self-made CA has it in its data folder as ca/ca.pem)"
    )]
    Untrusted(String),
    /// The zone refused.
    #[error("the zone refused the bootstrap ({status}): {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the zone said.
        text: String,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FileError),
    /// The folder belongs to another run.
    #[error("{} is used by another data plane; give each its own --work-dir", .0.display())]
    FolderInUse(PathBuf),
    /// Envoy cannot be started at all.
    #[error("{} cannot be started: {reason}", path.display())]
    Start {
        /// The binary.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Envoy ends again and again before it serves.
    #[error("Envoy ended {times} times before it served ({status}); its last words: {last_words}")]
    KeepsEnding {
        /// How often.
        times: u32,
        /// How the last one ended.
        status: String,
        /// The last line that it wrote.
        last_words: String,
    },
}

/// Whether the Envoy behind this admin socket serves now: it has its configuration, and does not drain.
pub async fn is_ready(admin: &Path) -> bool {
    admin::Admin::at(admin.to_owned()).is_live().await
}

/// Runs one data plane until `cancel`, then drains and stops it; `phase` tells how far it is. When this
/// returns, or its future is dropped, Envoy is gone. Should this process be killed, the kernel kills
/// Envoy (where `setpriv` is installed, as on all Debian and Ubuntu machines).
///
/// # Errors
/// [`RunError`] for what does not get better by waiting. A zone that is away does, and so does an Envoy
/// that has served before it died.
pub async fn run(
    config: RunConfig,
    phase: watch::Sender<Phase>,
    cancel: CancellationToken,
) -> Result<(), RunError> {
    let outcome = run_to_end(&config, &phase, &cancel).await;
    phase.send_replace(Phase::Stopped);
    outcome
}

async fn run_to_end(
    config: &RunConfig,
    phase: &watch::Sender<Phase>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let zone = fetch::Zone::new(&config.zone_url, &config.trust)?;
    let dataplane = tokio::select! {
        filled = fill(config, &zone) => filled?,
        () = cancel.cancelled() => return Ok(()),
    };
    let folder = Folder::open(config.work_dir.as_deref())?;
    let mut request = request(config, &folder, dataplane)?;
    let relay = relay(&request);
    if relay.is_some() {
        request.features.push(FEATURE_ACCESS_LOG_SOCKET.to_owned());
    }
    let bootstrap = tokio::select! {
        bootstrap = zone.bootstrap(&request) => bootstrap?,
        () = cancel.cancelled() => return Ok(()),
    };
    folder.write_config(&bootstrap)?;
    let outcome = supervise::supervise(config, &folder, phase, cancel).await;
    if let Some(relay) = relay {
        relay.finish().await;
    }
    outcome
}

/// The Dataplane with the values of its variables.
async fn fill(config: &RunConfig, zone: &fetch::Zone) -> Result<String, RunError> {
    let text = &config.dataplane;
    let variables = machine::variables(text, &config.variables, zone.url()).await;
    Ok(template::fill(text, &variables)?)
}

/// What passes on access logs. Without it everything else works, and the zone knows.
fn relay(request: &Request) -> Option<Relay> {
    let pipe = access_log_pipe(&request.workdir, &request.mesh, &request.name);
    let relay = Relay::start(Path::new(&pipe));
    let warn = |error: &std::io::Error| {
        tracing::warn!(pipe, %error, "no access logs will go to collectors: the pipe cannot be made");
    };
    relay.inspect_err(warn).ok()
}

/// What the zone needs to know.
fn request(config: &RunConfig, folder: &Folder, dataplane: String) -> Result<Request, RunError> {
    let resource: Value = serde_norway::from_str(&dataplane)
        .map_err(|error| RunError::Dataplane(error.to_string()))?;
    let field = |name: &str| match resource.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(RunError::Dataplane(format!("it has no {name}"))),
    };
    let (mesh, proxy_type) = match config.proxy_type {
        ProxyType::Dataplane => (field("mesh")?, "dataplane"),
        ProxyType::Ingress => (String::new(), "ingress"),
    };
    Ok(Request {
        mesh,
        name: field("name")?,
        proxy_type: proxy_type.to_owned(),
        dataplane_token: config.token.clone().unwrap_or_default(),
        dataplane_resource: dataplane,
        version: version(&config.envoy),
        ca_cert: match &config.trust {
            tls::Trust::Authority(pem) => pem.clone(),
            tls::Trust::System | tls::Trust::Insecure => String::new(),
        },
        operating_system: std::env::consts::OS.to_owned(),
        features: vec![FEATURE_DELTA.to_owned(), FEATURE_REUSE_PORT.to_owned()],
        resources: ProxyResources {
            max_heap_size_bytes: config.max_heap_bytes,
        },
        workdir: folder.path().display().to_string(),
        system_ca_path: system_ca().unwrap_or_default().to_owned(),
        ..Request::default()
    })
}

fn version(envoy: &Envoy) -> Version {
    let number = env!("CARGO_PKG_VERSION");
    Version {
        kuma_dp: KumaDpVersion {
            version: number.to_owned(),
            git_tag: format!("v{number}"),
            ..KumaDpVersion::default()
        },
        envoy: EnvoyVersion {
            version: envoy.version.number.clone(),
            build: envoy.version.build.clone(),
            kuma_dp_compatible: true,
        },
    }
}

/// The file with the authorities that this machine trusts: Debian and Ubuntu, Fedora, SUSE.
fn system_ca() -> Option<&'static str> {
    [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).exists())
}
