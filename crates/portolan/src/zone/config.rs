//! Flags and environment of `portolan zone`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args as ClapArgs;
use jiff::SignedDuration;

use super::tickets;
use crate::{
    server::{
        administrators::Administrators, rest::ApiTlsAddress, secret_keys::SecretKeyFiles, storage,
        tls::TlsFiles,
    },
    signals::BindAddress,
};

/// Runs a zone control plane: a durable copy of what the global says, and xDS for the zone's gateways.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan zone --name zone-1 --global grpcs://global.example.com:5685 --global-ca ca.pem --global-token-file token
  portolan zone --name zone-1 --global grpcs://a:5685 --global grpcs://b:5685 --global-ca ca.pem \\
    --global-token-file token")]
pub(crate) struct Args {
    /// Name of the zone, unique among the zones of a global
    #[arg(long, env = "PORTOLAN_ZONE_NAME", value_name = "NAME")]
    pub(crate) name: String,

    /// KDS address of the global, grpcs://HOST:5685; repeated for its replicas, which are tried in turn
    #[arg(
        long,
        env = "PORTOLAN_GLOBAL",
        value_delimiter = ',',
        required = true,
        value_name = "URL"
    )]
    pub(crate) global: Vec<String>,

    /// CA certificate (PEM) of the global
    #[arg(long, env = "PORTOLAN_GLOBAL_CA", value_name = "FILE")]
    pub(crate) global_ca: Option<PathBuf>,

    /// Does not verify the certificate of the global: for trials only
    #[arg(long, env = "PORTOLAN_GLOBAL_INSECURE", conflicts_with = "global_ca")]
    pub(crate) global_insecure: bool,

    /// File with the zone's token, from `portolan token zone` on the global; read anew for each connection
    #[arg(long, env = "PORTOLAN_GLOBAL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) global_token_file: Option<PathBuf>,

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

    /// Where data planes connect (bootstrap and xDS over TLS)
    #[arg(
        long,
        env = "PORTOLAN_DP_BIND",
        default_value = "0.0.0.0:5678",
        value_name = "ADDR"
    )]
    pub(crate) dp_bind: SocketAddr,

    /// Path of the SQLite file, or `postgres://…` [default: portolan.db in the data folder]
    #[arg(
        long,
        env = "PORTOLAN_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store: Option<String>,

    /// Folder for the CA, the keys and the SQLite file [default: the user's data folder]
    #[arg(long, env = "PORTOLAN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Names by which data planes and users reach this zone, for the self-made certificate; may be repeated
    #[arg(
        long = "dp-name",
        env = "PORTOLAN_DP_NAMES",
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1,::1",
        value_name = "NAME"
    )]
    pub(crate) dp_names: Vec<String>,

    #[command(flatten)]
    pub(crate) dp_tls: TlsFiles,

    #[command(flatten)]
    pub(crate) secret_keys: SecretKeyFiles,

    #[command(flatten)]
    pub(crate) diagnostics: BindAddress,

    #[command(flatten)]
    pub(crate) administrators: Administrators,

    /// How long one key encrypts TLS session tickets; tickets resume sessions for once to twice as long
    #[arg(
        long,
        env = "PORTOLAN_TICKET_KEY_INTERVAL",
        default_value = "8h",
        value_parser = tickets::interval,
        value_name = "DURATION"
    )]
    pub(crate) ticket_key_interval: SignedDuration,

    /// Lets data planes in without a token: for trials only
    #[arg(long, env = "PORTOLAN_DP_WITHOUT_TOKEN")]
    pub(crate) dp_without_token: bool,
}

impl Args {
    /// The folder that everything durable lives in.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir
            .clone()
            .unwrap_or_else(|| storage::default_data_dir(&self.name))
    }
}
