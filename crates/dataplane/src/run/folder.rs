//! The folder of one run: Envoy's configuration and its admin socket.

use std::path::{Path, PathBuf};

use portolan_identity::files::{self, Access, FileError, Lock};
use tempfile::TempDir;

use super::RunError;
use crate::bootstrap::ADMIN_SOCKET;

/// The longest path of a Unix socket that every system takes, its final zero left out.
const MAX_SOCKET_PATH: usize = 103;

/// The folder, removed at the end if it is a temporary one.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Lock,
    _temporary: Option<TempDir>,
}

impl Folder {
    /// Opens `work_dir`. Without one, or when its path is too long for a socket in it, makes a temporary
    /// folder.
    pub(super) fn open(work_dir: Option<&Path>) -> Result<Self, RunError> {
        let work_dir = work_dir.map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.into()));
        let (path, temporary) = match work_dir {
            Some(dir) if socket_fits(&dir) => (dir, None),
            Some(dir) => {
                let temporary = temporary(&dir)?;
                let (dir, used) = (dir.display(), temporary.path().display());
                tracing::warn!(%dir, %used, "the folder's path is too long for a Unix socket");
                (temporary.path().to_owned(), Some(temporary))
            }
            None => {
                let temporary = temporary(&std::env::temp_dir())?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        files::create_dir(&path)?;
        match files::try_lock(&path.join(".lock"))? {
            Some(lock) => Ok(Self {
                path,
                _lock: lock,
                _temporary: temporary,
            }),
            None => Err(RunError::FolderInUse(path)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where Envoy's configuration is.
    pub(super) fn config(&self) -> PathBuf {
        self.path.join("envoy.yaml")
    }

    /// Where the zone tells Envoy to put its admin socket.
    pub(super) fn admin(&self) -> PathBuf {
        self.path.join(ADMIN_SOCKET)
    }

    /// Writes Envoy's configuration; it holds the token, so nobody else may read it.
    pub(super) fn write_config(&self, yaml: &str) -> Result<(), FileError> {
        files::write(&self.config(), yaml, Access::Private)
    }
}

fn socket_fits(dir: &Path) -> bool {
    dir.join(ADMIN_SOCKET).as_os_str().len() <= MAX_SOCKET_PATH
}

fn temporary(instead_of: &Path) -> Result<TempDir, RunError> {
    tempfile::Builder::new()
        .prefix("portolan-")
        .tempdir()
        .map_err(|error| {
            RunError::Folder(FileError::new("make a temporary folder for", instead_of)(
                error,
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn the_configuration_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&dir.path().join("work"))).unwrap();
        folder.write_config("a: 1").unwrap();
        let mode = fs::metadata(folder.config()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_serves_one_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(Some(dir.path())).unwrap();
        let error = Folder::open(Some(dir.path())).unwrap_err().to_string();
        assert!(error.contains("give each its own --work-dir"), "{error}");
        drop(first);
        Folder::open(Some(dir.path())).unwrap();
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(100));
        let folder = Folder::open(Some(&long)).unwrap();
        assert!(folder.admin().as_os_str().len() <= MAX_SOCKET_PATH);
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists(), "a temporary folder goes with its run");
    }
}
