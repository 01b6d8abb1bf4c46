//! Opens the store that the configuration names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use portolan_store::{SecretKeys, Store, postgres, sqlite};
use tokio_util::sync::CancellationToken;

/// Where a control plane keeps its files unless it is told: the XDG data folder.
pub(crate) fn default_data_dir(role: &str) -> PathBuf {
    let base = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("."));
    base.join("portolan").join(role)
}

/// `postgres://…` is a Postgres; anything else the path of an SQLite file, by default in `data_dir`.
pub(crate) async fn open(
    url: Option<&str>,
    data_dir: &Path,
    keys: SecretKeys,
    cancel: CancellationToken,
) -> anyhow::Result<Arc<dyn Store>> {
    match url {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(postgres::connect(url, keys, Default::default(), cancel)
                .await
                .context("cannot open the Postgres store (--store)")?)
        }
        other => {
            let path = other.map_or_else(
                || data_dir.join("portolan.db"),
                |path| PathBuf::from(path.trim_start_matches("sqlite:")),
            );
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("cannot create the folder {}", folder.display()))?;
            }
            Ok(sqlite::open(&path, keys, Default::default(), cancel)
                .await
                .with_context(|| format!("cannot open the SQLite store {}", path.display()))?)
        }
    }
}
