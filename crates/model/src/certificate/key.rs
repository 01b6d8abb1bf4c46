//! What certificates and private keys have in common: the public key.

use super::der::{
    BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, context, sequence,
};

/// Shortest RSA key that Envoy takes, in bits.
const MIN_RSA_BITS: usize = 2048;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// P-256, P-384 and P-521: what Envoy takes.
const CURVES: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    &[0x2b, 0x81, 0x04, 0x00, 0x22],
    &[0x2b, 0x81, 0x04, 0x00, 0x23],
];

/// What a key is made for. A listener takes one certificate of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// RSA, 2048 bits or more.
    Rsa,
    /// ECDSA on P-256, P-384 or P-521.
    Ecdsa,
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    /// It is no key, or broken.
    Unreadable,
    /// Neither RSA nor ECDSA on a curve that Envoy takes.
    Unsupported,
    /// RSA of so many bits.
    Weak(usize),
}

/// The public half of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    Rsa {
        modulus: &'a [u8],
    },
    Ecdsa {
        curve: &'a [u8],
        /// Private keys may leave it out.
        point: Option<&'a [u8]>,
    },
}

impl<'a> PublicKey<'a> {
    /// Of a SubjectPublicKeyInfo's content.
    pub(super) fn of_info(mut info: Reader<'a>) -> Result<Self, KeyError> {
        let algorithm = info.enter(SEQUENCE).ok_or(KeyError::Unreadable)?;
        let bits = info.take(BIT_STRING).ok_or(KeyError::Unreadable)?;
        match Algorithm::read(algorithm)? {
            Algorithm::Rsa => {
                // The first byte tells how many bits of the last are unused: none.
                let mut numbers = bits
                    .get(1..)
                    .and_then(Reader::sequence)
                    .ok_or(KeyError::Unreadable)?;
                Self::rsa(numbers.take(INTEGER))
            }
            Algorithm::Ecdsa(curve) => Self::ecdsa(curve, Some(bits)),
        }
    }

    /// Of a private key in PKCS #8.
    pub(super) fn of_pkcs8(der: &'a [u8]) -> Result<Self, KeyError> {
        let mut key = Reader::sequence(der).ok_or(KeyError::Unreadable)?;
        key.take(INTEGER).ok_or(KeyError::Unreadable)?;
        let algorithm = key.enter(SEQUENCE).ok_or(KeyError::Unreadable)?;
        let inner = key.take(OCTET_STRING).ok_or(KeyError::Unreadable)?;
        match Algorithm::read(algorithm)? {
            Algorithm::Rsa => Self::of_pkcs1(inner),
            Algorithm::Ecdsa(curve) => Self::elliptic(inner, Some(curve)),
        }
    }

    /// Of an RSA private key in PKCS #1.
    pub(super) fn of_pkcs1(der: &'a [u8]) -> Result<Self, KeyError> {
        let mut numbers = Reader::sequence(der).ok_or(KeyError::Unreadable)?;
        numbers.take(INTEGER).ok_or(KeyError::Unreadable)?;
        Self::rsa(numbers.take(INTEGER))
    }

    /// Of an elliptic private key in SEC 1.
    pub(super) fn of_sec1(der: &'a [u8]) -> Result<Self, KeyError> {
        Self::elliptic(der, None)
    }

    fn elliptic(der: &'a [u8], curve: Option<&'a [u8]>) -> Result<Self, KeyError> {
        let mut key = Reader::sequence(der).ok_or(KeyError::Unreadable)?;
        key.take(INTEGER).ok_or(KeyError::Unreadable)?;
        key.take(OCTET_STRING).ok_or(KeyError::Unreadable)?;
        let own = key
            .enter(context(0))
            .and_then(|mut own| own.take(OBJECT_IDENTIFIER));
        let point = key
            .enter(context(1))
            .and_then(|mut point| point.take(BIT_STRING));
        Self::ecdsa(curve.or(own).ok_or(KeyError::Unreadable)?, point)
    }

    fn rsa(modulus: Option<&'a [u8]>) -> Result<Self, KeyError> {
        let mut modulus = modulus.ok_or(KeyError::Unreadable)?;
        while let [0, rest @ ..] = modulus {
            modulus = rest;
        }
        let first = modulus.first().ok_or(KeyError::Unreadable)?;
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        if bits < MIN_RSA_BITS {
            return Err(KeyError::Weak(bits));
        }
        Ok(Self::Rsa { modulus })
    }

    fn ecdsa(curve: &'a [u8], point: Option<&'a [u8]>) -> Result<Self, KeyError> {
        if CURVES.contains(&curve) {
            Ok(Self::Ecdsa { curve, point })
        } else {
            Err(KeyError::Unsupported)
        }
    }

    /// What it is made for.
    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ecdsa { .. } => KeyType::Ecdsa,
        }
    }

    /// Whether both are halves of one key, as far as it can be told.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Ecdsa { curve, point },
                Self::Ecdsa {
                    curve: other_curve,
                    point: other_point,
                },
            ) => {
                curve == other_curve
                    && match (point, other_point) {
                        (Some(point), Some(other)) => point == other,
                        _ => true,
                    }
            }
            _ => self == other,
        }
    }
}

/// The public half of an RSA private key, both in PKCS #1.
pub(super) fn public_half(der: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Reader::sequence(der)?;
    numbers.take(INTEGER)?;
    let modulus = numbers.take_whole(INTEGER)?;
    let exponent = numbers.take_whole(INTEGER)?;
    Some(sequence(&[modulus, exponent].concat()))
}

/// The key within an RSA private key in PKCS #8.
pub(super) fn within_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader::sequence(der)?;
    key.take(INTEGER)?;
    let algorithm = Algorithm::read(key.enter(SEQUENCE)?).ok()?;
    matches!(algorithm, Algorithm::Rsa)
        .then(|| key.take(OCTET_STRING))
        .flatten()
}

enum Algorithm<'a> {
    Rsa,
    /// On the curve of that identifier.
    Ecdsa(&'a [u8]),
}

impl<'a> Algorithm<'a> {
    fn read(mut algorithm: Reader<'a>) -> Result<Self, KeyError> {
        match algorithm.take(OBJECT_IDENTIFIER) {
            None => Err(KeyError::Unreadable),
            Some(RSA) => Ok(Self::Rsa),
            Some(ELLIPTIC) => algorithm
                .take(OBJECT_IDENTIFIER)
                .map(Self::Ecdsa)
                .ok_or(KeyError::Unsupported),
            Some(_) => Err(KeyError::Unsupported),
        }
    }
}
