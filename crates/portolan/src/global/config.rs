//! Flags and environment of `portolan global`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args as ClapArgs;

use crate::{
    server::{
        administrators::Administrators, rest::ApiTlsAddress, secret_keys::SecretKeyFiles, storage,
        tls::TlsFiles,
    },
    signals::BindAddress,
};

/// Runs a global control plane: the REST API and KDS for the zones.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan global
  portolan global --store postgres://portolan:secret@db/portolan --kds-name global.example.com")]
pub(crate) struct Args {
    /// Where the REST API listens in plain HTTP: keep it on loopback
    #[arg(
        long,
        env = "PORTOLAN_API_BIND",
        default_value = "127.0.0.1:5681",
        value_name = "ADDR"
    )]
    pub(crate) api_bind: SocketAddr,

    #[command(flatten)]
    pub(crate) api_tls: ApiTlsAddress,

    /// Where zones connect (KDS over TLS)
    #[arg(
        long,
        env = "PORTOLAN_KDS_BIND",
        default_value = "0.0.0.0:5685",
        value_name = "ADDR"
    )]
    pub(crate) kds_bind: SocketAddr,

    /// Lets zones in without a token: whoever reaches the KDS port may then be any zone
    #[arg(long, env = "PORTOLAN_ALLOW_ANONYMOUS_ZONES")]
    pub(crate) allow_anonymous_zones: bool,

    /// `postgres://…`, or the path of an SQLite file [default: portolan.db in the data folder]
    #[arg(
        long,
        env = "PORTOLAN_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store: Option<String>,

    /// Folder for the CA, the certificate and the SQLite file [default: the user's data folder]
    #[arg(long, env = "PORTOLAN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Names by which zones and users reach this global, for the self-made certificate; may be repeated
    #[arg(
        long = "kds-name",
        env = "PORTOLAN_KDS_NAMES",
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1,::1",
        value_name = "NAME"
    )]
    pub(crate) kds_names: Vec<String>,

    #[command(flatten)]
    pub(crate) kds_tls: TlsFiles,

    #[command(flatten)]
    pub(crate) secret_keys: SecretKeyFiles,

    #[command(flatten)]
    pub(crate) diagnostics: BindAddress,

    #[command(flatten)]
    pub(crate) administrators: Administrators,
}

impl Args {
    /// The folder that everything durable but Postgres lives in.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir
            .clone()
            .unwrap_or_else(|| storage::default_data_dir("global"))
    }
}
