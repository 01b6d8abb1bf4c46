//! An authority of a mesh: made, and read again.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::Secret;

/// Certificates are valid from a little earlier, for peers whose clock is behind.
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// Why there is no authority, or no certificate of it. No key is in the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeshAuthorityError {
    /// There is no certificate in the PEM text, or it cannot be read.
    #[error("the certificate cannot be read: it has to be one PEM section CERTIFICATE")]
    Certificate,
    /// There is no key in the PEM text, or none of an algorithm that is known.
    #[error(
        "the private key cannot be read: it has to be one PEM section with an RSA or ECDSA key"
    )]
    Key,
    /// They are not of each other.
    #[error("the private key is not that of the certificate: give the key that belongs to it")]
    Mismatch,
    /// The certificate is not an authority's.
    #[error("the certificate may not sign others: its basic constraint CA has to be true")]
    NotAuthority,
    /// Its key usage forbids to sign.
    #[error("the certificate may not sign others: its key usage has to include keyCertSign")]
    NotSigner,
    /// It has ended.
    #[error("the certificate has expired on {0}: give one that is still valid")]
    Expired(Timestamp),
    /// Cryptography failed.
    #[error("cannot make a certificate: {0}")]
    Crypto(String),
}

impl From<rcgen::Error> for MeshAuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// What signs the certificates of a mesh's workloads.
pub struct MeshAuthority {
    cert_pem: String,
    not_after: Timestamp,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

/// A new authority for a mesh: its certificate, and its key of `rsa_bits` (2048, 3072 or 4096). `backend`
/// tells it from the mesh's others. Takes up to seconds.
///
/// # Errors
/// When cryptography fails or the key cannot have that size.
pub fn create(
    mesh: &str,
    backend: &str,
    rsa_bits: u32,
    lifetime: Duration,
    now: Timestamp,
) -> Result<(String, Secret), MeshAuthorityError> {
    let size = match rsa_bits {
        2048 => RsaKeySize::_2048,
        3072 => RsaKeySize::_3072,
        4096 => RsaKeySize::_4096,
        other => {
            return Err(MeshAuthorityError::Crypto(format!(
                "no RSA key of {other} bits"
            )));
        }
    };
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size)?;
    let mut params = CertificateParams::default();
    // Authorities of one mesh have different subjects, so that verifiers find the one that signed.
    for (part, value) in [
        (DnType::OrganizationName, "Portolan"),
        (DnType::OrganizationalUnitName, backend),
        (DnType::CommonName, mesh),
    ] {
        params.distinguished_name.push(part, value);
    }
    params.subject_alt_names = vec![SanType::URI(format!("spiffe://{mesh}").try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = SystemTime::from(now);
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + lifetime).into();
    let cert_pem = params.self_signed(&key)?.pem();
    Ok((cert_pem, Secret::from(key.serialize_pem())))
}

impl MeshAuthority {
    /// Reads an authority. Other certificates may follow its own; proxies trust them too.
    ///
    /// # Errors
    /// Why it could not sign anything now.
    pub fn from_pem(
        cert_pem: &str,
        key_pem: &str,
        now: Timestamp,
    ) -> Result<Self, MeshAuthorityError> {
        let der = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|_| MeshAuthorityError::Certificate)?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| MeshAuthorityError::Certificate)?;
        let key = KeyPair::from_pem(key_pem).map_err(|_| MeshAuthorityError::Key)?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(MeshAuthorityError::Mismatch);
        }
        if !certificate.is_ca() {
            return Err(MeshAuthorityError::NotAuthority);
        }
        let usage = certificate.key_usage().ok().flatten();
        if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(MeshAuthorityError::NotSigner);
        }
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .unwrap_or(Timestamp::MAX);
        if not_after <= now {
            return Err(MeshAuthorityError::Expired(not_after));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            not_after,
            issuer,
        })
    }

    /// What members of the mesh trust, as PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// When its own certificate ends.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

impl std::fmt::Debug for MeshAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshAuthority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
