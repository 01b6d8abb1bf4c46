//! TLS configurations for rustls, each with aws-lc-rs as its own provider.

mod verifier;

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::Secret;
use verifier::{Believed, Verifier};

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the text that should hold some.
    #[error("no usable certificate in {0}: it must be PEM, with BEGIN CERTIFICATE")]
    Certificate(&'static str),
    /// No key in the text that should hold one.
    #[error("no usable private key: it must be PEM, with BEGIN PRIVATE KEY (or RSA, or EC)")]
    Key,
    /// The system has no certificate authorities.
    #[error(
        "this system has no certificate authorities; install the package ca-certificates or give the \
         CA's certificate"
    )]
    NoSystemRoots,
    /// rustls refused.
    #[error("certificate and key are not usable together: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Whom a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Servers with a certificate of this authority (PEM, one or more), or with one of these themselves.
    Authority(String),
    /// Servers with a certificate of an authority that this system trusts.
    System,
    /// Everybody. An attacker between client and server sees and changes all.
    Insecure,
}

/// The crypto provider of all configurations here.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A server that shows the chain in `cert_pem`; `protocols` is what it offers by ALPN, best first.
///
/// # Errors
/// When the texts are not PEM or the key is not that of the first certificate.
pub fn server_config(
    cert_pem: &str,
    key_pem: &Secret,
    protocols: &[&str],
) -> Result<ServerConfig, TlsError> {
    let chain = certificates(cert_pem, "the server's certificate chain")?;
    let key =
        PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes()).map_err(|_| TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}

/// A client that believes whom `trust` says.
///
/// # Errors
/// When the authority's text holds no certificate, or the system has no authorities.
pub fn client_config(trust: &Trust, protocols: &[&str]) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let believed = match trust {
        Trust::Authority(pem) => Some(given(pem, provider.clone())?),
        Trust::System => None,
        Trust::Insecure => Some(Believed::Anybody),
    };
    let builder = match believed {
        Some(believed) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { believed, provider })),
        None => builder.with_root_certificates(system_roots()?),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}

fn given(pem: &str, provider: Arc<CryptoProvider>) -> Result<Believed, TlsError> {
    const SOURCE: &str = "the CA's certificate";
    let certificates = certificates(pem, SOURCE)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|_| TlsError::Certificate(SOURCE))?;
    }
    Ok(Believed::given(certificates, roots, provider)?)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        Err(TlsError::NoSystemRoots)
    } else {
        Ok(roots)
    }
}

fn certificates(pem: &str, source: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Certificate(source)),
    }
}

fn alpn(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect()
}

#[cfg(test)]
mod tests;
