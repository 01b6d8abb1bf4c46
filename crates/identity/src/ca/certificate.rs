//! A certificate as its readers need it: its names and its dates.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer, ParsedExtension},
};

use crate::Secret;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A server certificate with its key.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// The certificate and, after it, the authority that signed it.
    pub cert_pem: String,
    /// Its private key.
    pub key_pem: Secret,
}

impl IssuedCertificate {
    /// Whether it should be replaced at `now`: it is not for exactly these `names`, cannot be read, or
    /// less than a third of its lifetime is left.
    pub fn needs_renewal(&self, names: &[String], now: Timestamp) -> bool {
        let Some(der) = first(&self.cert_pem) else {
            return true;
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
            return true;
        };
        let validity = certificate.validity();
        let (from, to) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        let left = to - now.as_second();
        left < (to - from) / 3 || names_of(&certificate) != super::normal_names(names)
    }

    /// Key and chain as one text, so that one file holds both and they cannot part.
    pub(super) fn to_text(&self) -> String {
        format!("{}{}", self.key_pem.expose(), self.cert_pem)
    }

    /// The reverse of [`to_text`](Self::to_text).
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (key, chain) = text.split_at(text.find(CERTIFICATE)?);
        Some(Self {
            cert_pem: chain.to_owned(),
            key_pem: key.into(),
        })
    }
}

/// Checks that a certificate is an authority's, not expired, and belongs to the key; else tells why not.
pub(super) fn check_authority(pem: &str, public_key: &[u8]) -> Result<(), String> {
    let der = first(pem).ok_or("it holds no certificate")?;
    let (_, certificate) =
        X509Certificate::from_der(&der).map_err(|_| "its certificate cannot be read")?;
    if !certificate.is_ca() {
        return Err("its certificate is not a certificate authority".into());
    }
    if certificate.public_key().subject_public_key.data.as_ref() != public_key {
        return Err("its certificate does not belong to the key in ca.key".into());
    }
    let not_after = certificate.validity().not_after;
    if not_after.timestamp() < Timestamp::now().as_second() {
        return Err(format!("its certificate has expired on {not_after}"));
    }
    Ok(())
}

pub(super) fn is_authority(pem: &str) -> Option<bool> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = read.ok().filter(|certificates| !certificates.is_empty())?;
    let mut any = false;
    for der in &certificates {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        any |= may_sign(&certificate);
    }
    Some(any)
}

fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let mut extensions = certificate.extensions().iter();
    let constraints = extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(constraints) => Some(constraints.ca),
        _ => None,
    });
    constraints.unwrap_or(true)
}

fn first(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|octets| Ipv6Addr::from(octets).into())
}
