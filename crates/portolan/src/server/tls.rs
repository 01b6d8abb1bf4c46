//! The certificate that a control plane shows: given files, or one of its own CA.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use portolan_identity::{Secret, ca::Authority, tls};

/// HTTP/2 for gRPC, HTTP/1.1 for `POST /bootstrap`.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A certificate from outside.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// Certificate chain (PEM) to show instead of a self-made one; needs --tls-key
    #[arg(long = "tls-cert", env = "PORTOLAN_TLS_CERT", value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,

    /// Private key (PEM) of --tls-cert
    #[arg(long = "tls-key", env = "PORTOLAN_TLS_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// The TLS configuration of a port that leaves the machine. Without files, a CA is made once in
/// `DATA/ca`, and `DATA/ca/ca.pem` is what clients must trust.
pub(crate) fn server_certificate(
    data_dir: &Path,
    files: &TlsFiles,
    names: &[String],
) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let (certificate, key) = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => (read(certificate)?, Secret::from(read(key)?)),
        (None, None) => {
            let authority = Authority::load_or_create(&data_dir.join("ca"))?;
            let issued = authority.server_certificate(names)?;
            (issued.cert_pem, issued.key_pem)
        }
        _ => bail!("--tls-cert and --tls-key go together: give both or none"),
    };
    Ok(Arc::new(tls::server_config(
        &certificate,
        &key,
        &PROTOCOLS,
    )?))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
