//! Portolan's own processes on loopback: what the demo, the whole-system tests and the benchmarks run.
//!
//! ```text
//!   Sandbox ─┬─ Global ── REST, KDS           every process: its own folder and log file,
//!            ├─ Zone ──── REST, xDS           ready when it answers, stopped by pid,
//!            ├─ Gateway ─ Envoy on loopback   gone when the sandbox is dropped
//!            ├─ Pool ──── as many Envoys as the zone assigns to it
//!            ├─ Nginx ─── before a delegated gateway's Envoy
//!            └─ Echo ──── answers its name
//! ```

#![allow(clippy::missing_errors_doc)] // Every error is a `SandboxError`, which says what went wrong.

mod control_planes;
mod data_planes;
mod http;
mod link;
mod nginx;
mod pools;
mod ports;
pub mod postgres;
mod process;

use std::path::{Path, PathBuf};

pub use control_planes::{Global, GlobalOptions, Zone, ZoneOptions};
pub use data_planes::{Echo, Gateway, GatewayOptions, admin_get};
pub use http::{Http, until};
pub use link::Link;
pub use nginx::Nginx;
pub use pools::{Pool, PoolOptions};
pub use ports::{free_port, loopback_with_free_port};
pub use process::{Process, Signal};

/// What can go wrong with a process on this machine.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It could not be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended before it was ready, or while something was expected of it.
    #[error("{name} ended ({status}); the end of its log ({log}):\n{tail}")]
    Ended {
        /// Its name.
        name: String,
        /// How it ended.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A condition did not come true in time.
    #[error("{what} did not happen within {seconds} s")]
    TimedOut {
        /// The condition.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A control plane refused a request.
    #[error("{method} {url} was answered with {status}: {body}")]
    Refused {
        /// Method of the request.
        method: String,
        /// Its URL.
        url: String,
        /// Status code of the answer.
        status: u16,
        /// Body of the answer.
        body: String,
    },
    /// There is no Postgres here.
    #[error(
        "no Postgres server is installed: install the package `postgresql`, or put initdb, postgres and \
         pg_isready on the PATH"
    )]
    NoPostgres,
    /// There is no nginx here.
    #[error("nginx is not installed: install the package `nginx-light`, or put nginx on the PATH")]
    NoNginx,
    /// A request got no answer.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A folder and a binary; processes are started from here.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
    binary: PathBuf,
    envoy: Option<PathBuf>,
}

impl Sandbox {
    /// Runs `binary`, a `portolan`, in a new temporary folder.
    pub fn new(binary: impl Into<PathBuf>) -> Result<Self, SandboxError> {
        let folder = tempfile::Builder::new().prefix("portolan-").tempdir()?;
        Ok(Self {
            folder,
            binary: binary.into(),
            envoy: None,
        })
    }

    /// Uses this Envoy instead of the one that `portolan dp run` finds.
    pub fn with_envoy(mut self, envoy: PathBuf) -> Self {
        self.envoy = Some(envoy);
        self
    }

    /// The folder that holds everything; removed when the sandbox is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }
}
