//! Which certificates a client believes.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{prelude::FromDer, time::ASN1Time};

/// Whose certificates are believed. Whoever shows one, the signatures of the handshake are checked.
#[derive(Debug)]
pub(super) enum Believed {
    /// What an authority has issued, and also a server that shows one of the given certificates itself: a
    /// Kuma global makes one certificate for itself and gives it out as the authority's, which the usual
    /// verification refuses.
    Given {
        certificates: Vec<CertificateDer<'static>>,
        issued: Arc<WebPkiServerVerifier>,
    },
    /// Everybody's.
    Anybody,
}

impl Believed {
    /// # Errors
    /// When the roots are not usable.
    pub(super) fn given(
        certificates: Vec<CertificateDer<'static>>,
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self::Given {
            certificates,
            issued: issued.map_err(|error| Error::General(error.to_string()))?,
        })
    }
}

/// Verifies servers.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) believed: Believed,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.believed {
            Believed::Anybody => Ok(ServerCertVerified::assertion()),
            Believed::Given { certificates, .. } if certificates.iter().any(|it| it == shown) => {
                verify_dates(shown, now)?;
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Believed::Given { issued, .. } => {
                issued.verify_server_cert(shown, intermediates, name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn verify_dates(shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let unreadable = || Error::from(CertificateError::BadEncoding);
    let (_, certificate) =
        x509_parser::certificate::X509Certificate::from_der(shown).map_err(|_| unreadable())?;
    let seconds = i64::try_from(now.as_secs()).map_err(|_| unreadable())?;
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| unreadable())?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}
