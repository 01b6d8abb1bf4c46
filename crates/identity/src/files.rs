//! Files that hold secrets: readable by their owner alone, and never seen half written.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Owner reads and writes.
const PRIVATE: u32 = 0o600;
/// Everybody reads.
const PUBLIC: u32 = 0o644;

/// A file or folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot {action} {}: {source}; check that this user may do so and that the disk has space",
    path.display()
)]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// An error of `action` ("write", "lock") at `path`.
    pub fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone.
    Private,
    /// Everybody.
    Public,
}

impl Access {
    fn permissions(self) -> Permissions {
        Permissions::from_mode(match self {
            Self::Private => PRIVATE,
            Self::Public => PUBLIC,
        })
    }
}

/// Creates a folder that only its owner may enter, and the folders above it. An existing one stays
/// as it is.
///
/// # Errors
/// When the folder cannot be created.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::new("create the folder", path))
}

/// Puts `contents` at `path`, whole and on disk, or leaves what was there.
///
/// # Errors
/// When the folder of `path` does not take it.
pub fn write(path: &Path, contents: &str, access: Access) -> Result<(), FileError> {
    let error = || FileError::new("write", path);
    let file = staged(path, contents, access).map_err(error())?;
    file.persist(path)
        .map_err(|failure| error()(failure.error))?;
    sync_dir(path).map_err(error())
}

/// Like [`write()`], but keeps a file that is there already. Tells whether it was written.
///
/// # Errors
/// When the folder of `path` does not take it.
pub fn write_new(path: &Path, contents: &str, access: Access) -> Result<bool, FileError> {
    let error = || FileError::new("create", path);
    let file = staged(path, contents, access).map_err(error())?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_dir(path).map_err(error()).map(|()| true),
        Err(failure) if failure.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(failure) => Err(error()(failure.error)),
    }
}

/// The text at `path`, or `None` when there is no such file.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", path)(error)),
    }
}

/// Like [`read`], and warns when others than the owner may read the file.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read_private(path: &Path) -> Result<Option<String>, FileError> {
    let text = read(path)?;
    if text.is_some()
        && let Ok(metadata) = fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(file = %path.display(), "others may read this private file; run chmod 600 on it");
    }
    Ok(text)
}

/// An exclusive lock among processes, held until dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "the open file is the lock")] File);

/// Waits until no other process holds the lock file at `path`.
///
/// # Errors
/// When the lock file cannot be created or the file system knows no locks.
pub fn lock(path: &Path) -> Result<Lock, FileError> {
    let error = || FileError::new("lock", path);
    let file = open_lock(path).map_err(error())?;
    file.lock().map_err(error())?;
    Ok(Lock(file))
}

/// Takes the lock if it is free; `None` when another process holds it.
///
/// # Errors
/// When the lock file cannot be created or the file system knows no locks.
pub fn try_lock(path: &Path) -> Result<Option<Lock>, FileError> {
    let error = || FileError::new("lock", path);
    let file = open_lock(path).map_err(error())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(source)) => Err(error()(source)),
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// A temporary file beside `path`, complete and synced, waiting to get its name.
fn staged(path: &Path, contents: &str, access: Access) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(parent(path))?;
    file.as_file().set_permissions(access.permissions())?;
    file.write_all(contents.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the new name itself durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
