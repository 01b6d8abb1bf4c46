//! The self-made certificate authority of a control plane.
//!
//! ```text
//!   DIR/ca.pem      its certificate, for everybody who connects
//!   DIR/ca.key      its private key (0600)
//!   DIR/server.pem  key and chain of the control plane's own certificate (0600)
//! ```

mod certificate;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

pub use certificate::IssuedCertificate;

use crate::{
    Secret,
    files::{self, Access, FileError},
};

/// How long a new authority is valid.
const AUTHORITY_LIFETIME: Duration = days(3650);
/// How long the control plane's own certificate is valid. It is renewed at a start when a third of
/// this is left.
const SERVER_LIFETIME: Duration = days(730);
/// New certificates are valid from a little earlier, for clients whose clock is behind.
const CLOCK_SKEW: Duration = Duration::from_secs(600);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

/// Why there is no authority or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder or a file in it cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is there, but its content is not what its name says.
    #[error(
        "{} is not usable: {reason}; restore ca.pem and ca.key from one backup, or remove both to \
         start a new CA (then every client needs the new ca.pem)",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name is neither a DNS name nor an IP address.
    #[error("no certificate for {names:?}: {reason}; names must be DNS names or IP addresses")]
    Names {
        /// The names that were asked for.
        names: Vec<String>,
        /// What the encoder said.
        reason: String,
    },
    /// Cryptography failed.
    #[error("cannot make a certificate: {0}")]
    Crypto(#[from] rcgen::Error),
}

/// A certificate authority with its key, in memory and in its folder.
pub struct Authority {
    dir: PathBuf,
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority in `dir`; a new one if there is none. Processes that start at once on one folder
    /// get the same authority.
    ///
    /// # Errors
    /// When the folder cannot be used, or holds a key and a certificate that do not fit each other.
    pub fn load_or_create(dir: &Path) -> Result<Self, AuthorityError> {
        files::create_dir(dir)?;
        let _lock = files::lock(&dir.join(".lock"))?;
        let key = load_or_create_key(&dir.join("ca.key"))?;
        let cert_path = dir.join("ca.pem");
        let cert_pem = match files::read(&cert_path)? {
            Some(pem) => pem,
            // Also after a crash between the two files: the key alone has not been used for anything.
            None => {
                let pem = self_signed(&key)?;
                files::write(&cert_path, &pem, Access::Public)?;
                tracing::info!(file = %cert_path.display(), "created a certificate authority");
                pem
            }
        };
        let unusable = |reason| AuthorityError::Unusable {
            path: cert_path.clone(),
            reason,
        };
        certificate::check_authority(&cert_pem, key.public_key_raw()).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&cert_pem, key)?;
        Ok(Self {
            dir: dir.to_owned(),
            cert_pem,
            issuer,
        })
    }

    /// The authority's certificate: what clients must trust.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// A new server certificate for `names` (DNS names and IP addresses), valid from now on for
    /// `valid_for`.
    ///
    /// # Errors
    /// [`AuthorityError::Names`] when a name cannot stand in a certificate.
    pub fn issue(
        &self,
        common_name: &str,
        names: &[String],
        valid_for: Duration,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let mut params = CertificateParams::new(names).map_err(|error| AuthorityError::Names {
            names: names.to_vec(),
            reason: error.to_string(),
        })?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, valid_for);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(IssuedCertificate {
            cert_pem: leaf.pem() + &self.cert_pem,
            key_pem: Secret::from(key.serialize_pem()),
        })
    }

    /// The certificate that the control plane shows under `names`: the one in the folder, or a new one
    /// when that is for other names, of another authority or near its end.
    ///
    /// # Errors
    /// When the folder cannot be used or a name cannot stand in a certificate.
    pub fn server_certificate(
        &self,
        names: &[String],
    ) -> Result<IssuedCertificate, AuthorityError> {
        let _lock = files::lock(&self.dir.join(".lock"))?;
        let path = self.dir.join("server.pem");
        let kept = files::read_private(&path)?.and_then(|text| IssuedCertificate::from_text(&text));
        if let Some(kept) = kept
            && kept.cert_pem.ends_with(&self.cert_pem)
            && !kept.needs_renewal(names, Timestamp::now())
        {
            return Ok(kept);
        }
        let issued = self.issue("portolan", names, SERVER_LIFETIME)?;
        files::write(&path, &issued.to_text(), Access::Private)?;
        tracing::info!(?names, "issued a server certificate");
        Ok(issued)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Whether one of the certificates in `pem` may sign others; `None` when they cannot be read. A
/// certificate without basic constraints counts as an authority, as it does for Envoy.
pub fn is_authority(pem: &str) -> Option<bool> {
    certificate::is_authority(pem)
}

/// Whether a server certificate that carries `names` is good for `host`.
pub fn covers(names: &[String], host: &str) -> bool {
    let wanted = normal_name(host);
    names
        .iter()
        .map(|name| normal_name(name))
        .any(|name| match name.strip_prefix("*.") {
            Some(parent) => wanted
                .split_once('.')
                .is_some_and(|(_, rest)| rest == parent),
            None => name == wanted,
        })
}

fn normal_names(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| normal_name(name)).collect()
}

/// One spelling for each name, so that `::1` and `0:0:0:0:0:0:0:1` are alike.
fn normal_name(name: &str) -> String {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

fn load_or_create_key(path: &Path) -> Result<KeyPair, AuthorityError> {
    if let Some(pem) = files::read_private(path)? {
        return KeyPair::from_pem(&pem).map_err(|error| AuthorityError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        });
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    files::write(path, &key.serialize_pem(), Access::Private)?;
    Ok(key)
}

fn self_signed(key: &KeyPair) -> Result<String, AuthorityError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Portolan CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_LIFETIME);
    Ok(params.self_signed(key)?.pem())
}

fn set_validity(params: &mut CertificateParams, lifetime: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + lifetime).into();
}

#[cfg(test)]
mod tests;
