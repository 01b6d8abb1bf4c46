//! The form of RSA private keys that Kuma keeps in secrets.

use x509_parser::asn1_rs::{FromDer, Integer, OctetString, Sequence};

/// The PKCS#1 key within a PKCS#8 one (DER): version, algorithm, and the key as an octet string.
pub(super) fn of_pkcs8(der: &[u8]) -> Option<Vec<u8>> {
    let (_, key) = Sequence::from_der(der).ok()?;
    let (rest, _version) = Integer::from_der(&key.content).ok()?;
    let (rest, _algorithm) = Sequence::from_der(rest).ok()?;
    let (_, inner) = OctetString::from_der(rest).ok()?;
    Some(inner.as_ref().to_vec())
}
