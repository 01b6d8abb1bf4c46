//! Certificates with their keys, as a Secret holds them.
//!
//! A bundle is PEM text: certificates and private keys in any order. Each key is paired with the
//! certificate of its public key, and each certificate is followed by those that vouch for it. What Envoy
//! would refuse is refused here.
//!
//! ```text
//!   KEY a ─┐                       ┌─▶ Pair: a, intermediate, root + KEY a
//!   root   ├─▶ Bundle::parse ──────┤
//!   a, b   │   (same public key;   └─▶ Pair: b + KEY b
//!   KEY b ─┘    issuer = subject)
//! ```

mod der;
mod key;
mod pem;
mod x509;

use std::fmt;

use bytes::Bytes;

pub use key::KeyType;
use key::{KeyError, PublicKey};
use pem::{KeyFormat, Sections};
use x509::Certificate;

/// Certificates with their keys; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pairs: Vec<Pair>,
}

/// One certificate, those that vouch for it, and its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// In DER; the certificate of the key first.
    chain: Vec<Bytes>,
    key_type: KeyType,
    key_format: KeyFormat,
    key: Bytes,
}

/// Why a bundle cannot be used. Positions count from 1. No text of the bundle is in the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Something between BEGIN and END is not base64, or has no END.
    #[error("is not readable as PEM: {0}")]
    Pem(String),
    /// There is no CERTIFICATE section.
    #[error("has no certificate: add a PEM section CERTIFICATE")]
    NoCertificate,
    /// There is no section with a private key.
    #[error("has no private key: add a PEM section PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")]
    NoKey,
    /// A private key needs a password.
    #[error("has an encrypted private key: decrypt it first, for example with `openssl pkey`")]
    Encrypted,
    /// A certificate is broken.
    #[error("certificate {0} is not readable")]
    Certificate(usize),
    /// A private key is broken.
    #[error("private key {0} is not readable")]
    Key(usize),
    /// A private key of an algorithm that Envoy does not take.
    #[error("private key {0} is neither RSA nor ECDSA on P-256, P-384 or P-521: use one of these")]
    Unsupported(usize),
    /// An RSA key that Envoy refuses.
    #[error("private key {position} has {bits} bits: RSA needs 2048 or more")]
    Weak {
        /// Which one.
        position: usize,
        /// Its size.
        bits: usize,
    },
    /// No certificate has the public half of a key.
    #[error("private key {0} fits no certificate: add the certificate that was issued for it")]
    Mismatch(usize),
}

/// Whether PEM text has certificates, for example those of authorities, and all of them can be read.
///
/// # Errors
/// [`BundleError`]: what is missing or broken.
pub fn check_certificates(text: &[u8]) -> Result<(), BundleError> {
    let sections = Sections::read(text)?;
    let mut certificates = sections.certificates.iter();
    if let Some(index) = certificates.position(|der| Certificate::read(der).is_none()) {
        return Err(BundleError::Certificate(index + 1));
    }
    if sections.certificates.is_empty() {
        Err(BundleError::NoCertificate)
    } else {
        Ok(())
    }
}

/// The certificates in PEM text, for example those of authorities, as PEM without anything else that stands there.
///
/// # Errors
/// [`BundleError`]: what is missing or broken.
pub fn certificates_pem(text: &[u8]) -> Result<String, BundleError> {
    check_certificates(text)?;
    let sections = Sections::read(text)?;
    let certificates = sections.certificates.iter();
    Ok(certificates
        .map(|der| pem::section("CERTIFICATE", der))
        .collect())
}

/// The public half of an RSA private key (PEM, or PKCS #1 in DER as old Kumas keep it), as PEM: what may be given to
/// those who verify. `None` if the content is no such key.
pub fn rsa_public_key_pem(private: &[u8]) -> Option<String> {
    let public = match std::str::from_utf8(private) {
        Err(_) => key::public_half(private),
        Ok(_) => match Sections::read(private).ok()?.keys.first()? {
            (KeyFormat::Pkcs1, der) => key::public_half(der),
            (KeyFormat::Pkcs8, der) => key::public_half(key::within_pkcs8(der)?),
            (KeyFormat::Sec1, _) => None,
        },
    };
    public.map(|der| pem::section("RSA PUBLIC KEY", &der))
}

/// Whether PEM text has a private key that Envoy takes.
///
/// # Errors
/// [`BundleError`]: what is missing, broken, or refused by Envoy.
pub fn check_key(text: &[u8]) -> Result<(), BundleError> {
    let sections = Sections::read(text)?;
    let (format, der) = sections.keys.first().ok_or(BundleError::NoKey)?;
    format
        .public_key(der)
        .map(drop)
        .map_err(|error| error.of_key(1))
}

impl Bundle {
    /// Reads PEM text. Sections other than certificates and private keys are skipped, and so are
    /// certificates that no key leads to.
    ///
    /// # Errors
    /// [`BundleError`]: what is missing, broken, or refused by Envoy.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        Self::of(&Sections::read(text)?)
    }

    fn of(sections: &Sections) -> Result<Self, BundleError> {
        let certificates: Vec<_> = sections
            .certificates
            .iter()
            .enumerate()
            .map(|(index, der)| Certificate::read(der).ok_or(BundleError::Certificate(index + 1)))
            .collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(BundleError::NoCertificate);
        }
        if sections.keys.is_empty() {
            return Err(BundleError::NoKey);
        }
        let mut leaves = Vec::new();
        let mut pairs = Vec::new();
        for (index, (format, der)) in sections.keys.iter().enumerate() {
            let public = format
                .public_key(der)
                .map_err(|error| error.of_key(index + 1))?;
            let leaf = find_leaf(&certificates, &public, &leaves)
                .ok_or(BundleError::Mismatch(index + 1))?;
            leaves.push(leaf);
            pairs.push(Pair {
                chain: chain(&certificates, leaf)
                    .into_iter()
                    .map(|position| sections.certificates[position].clone())
                    .collect(),
                key_type: public.key_type(),
                key_format: *format,
                key: der.clone(),
            });
        }
        Ok(Self { pairs })
    }

    /// In the order of their keys.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }
}

/// The first certificate with the public half of a key that no earlier key has.
fn find_leaf(
    certificates: &[Certificate<'_>],
    public: &PublicKey<'_>,
    taken: &[usize],
) -> Option<usize> {
    certificates
        .iter()
        .enumerate()
        .position(|(position, certificate)| {
            !taken.contains(&position)
                && certificate
                    .public_key
                    .as_ref()
                    .is_ok_and(|of_certificate| of_certificate.fits(public))
        })
}

/// The certificate and all that vouch for it, directly or through others, nearest first.
fn chain(certificates: &[Certificate<'_>], leaf: usize) -> Vec<usize> {
    let mut chain = vec![leaf];
    let mut next = 0;
    while let Some(position) = chain.get(next) {
        let issuer = certificates[*position].issuer;
        for (above, certificate) in certificates.iter().enumerate() {
            if certificate.subject == issuer && !chain.contains(&above) {
                chain.push(above);
            }
        }
        next += 1;
    }
    chain
}

impl KeyError {
    fn of_key(self, position: usize) -> BundleError {
        match self {
            Self::Unreadable => BundleError::Key(position),
            Self::Unsupported => BundleError::Unsupported(position),
            Self::Weak(bits) => BundleError::Weak { position, bits },
        }
    }
}

impl Pair {
    /// The first private key of one PEM text, and its certificate in another; either may hold more than
    /// that.
    ///
    /// # Errors
    /// [`BundleError`]: what is missing, broken, or refused by Envoy.
    pub fn of(certificates: &[u8], key: &[u8]) -> Result<Self, BundleError> {
        let mut sections = Sections::read(certificates)?;
        sections.keys = Sections::read(key)?.keys;
        sections.keys.truncate(1);
        // A bundle has one for each key, of which there is at least one.
        let pair = Bundle::of(&sections)?.pairs.into_iter().next();
        pair.ok_or(BundleError::NoKey)
    }

    /// What the key is made for.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The certificate, then those that vouch for it, in DER.
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    /// The certificate, then those that vouch for it, as PEM.
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| pem::section("CERTIFICATE", der))
            .collect()
    }

    /// The private key as PEM. It is for the proxy alone.
    pub fn key_pem(&self) -> String {
        pem::section(self.key_format.label(), &self.key)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("certificates", &self.chain.len())
            .field("key_type", &self.key_type)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
