//! TLS configurations for rustls, each with aws-lc-rs as its own provider.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::Secret;

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
    /// Servers with a certificate of this authority (PEM, one or more).
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
    let builder = match trust {
        Trust::Authority(pem) => builder.with_root_certificates(authority_roots(pem)?),
        Trust::System => builder.with_root_certificates(system_roots()?),
        Trust::Insecure => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(BelieveAnybody(provider))),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}

fn authority_roots(pem: &str) -> Result<RootCertStore, TlsError> {
    const SOURCE: &str = "the CA's certificate";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, SOURCE)? {
        roots
            .add(certificate)
            .map_err(|_| TlsError::Certificate(SOURCE))?;
    }
    Ok(roots)
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

/// Accepts each certificate; signatures of the handshake are still checked.
#[derive(Debug)]
struct BelieveAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for BelieveAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
