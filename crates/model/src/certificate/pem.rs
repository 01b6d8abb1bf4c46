//! PEM text as sections, and back.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use rustls_pki_types::pem::{Error, PemObject, SectionKind};

use super::{
    BundleError,
    key::{KeyError, PublicKey},
};

/// Characters of a line of base64.
const LINE: usize = 64;
/// What encrypted keys have in their first lines, in PKCS #8 and in the older form.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// How a private key is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFormat {
    Pkcs1,
    Pkcs8,
    Sec1,
}

impl KeyFormat {
    /// What PEM calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Pkcs1 => "RSA PRIVATE KEY",
            Self::Pkcs8 => "PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
        }
    }

    /// The public half of a key.
    pub(super) fn public_key(self, der: &[u8]) -> Result<PublicKey<'_>, KeyError> {
        match self {
            Self::Pkcs1 => PublicKey::of_pkcs1(der),
            Self::Pkcs8 => PublicKey::of_pkcs8(der),
            Self::Sec1 => PublicKey::of_sec1(der),
        }
    }
}

/// What a bundle is read from, in DER, each in its order.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) certificates: Vec<Bytes>,
    pub(super) keys: Vec<(KeyFormat, Bytes)>,
}

impl Sections {
    /// Takes a text apart. The same key twice is one key.
    pub(super) fn read(text: &[u8]) -> Result<Self, BundleError> {
        let has = |mark: &[u8]| text.windows(mark.len()).any(|window| window == mark);
        if ENCRYPTED.into_iter().any(has) {
            return Err(BundleError::Encrypted);
        }
        let mut sections = Self::default();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) =
                section.map_err(|error| BundleError::Pem(reason(&error).to_owned()))?;
            let format = match kind {
                SectionKind::Certificate => {
                    sections.certificates.push(der.into());
                    continue;
                }
                SectionKind::RsaPrivateKey => KeyFormat::Pkcs1,
                SectionKind::PrivateKey => KeyFormat::Pkcs8,
                SectionKind::EcPrivateKey => KeyFormat::Sec1,
                _ => continue,
            };
            let key = (format, der.into());
            if !sections.keys.contains(&key) {
                sections.keys.push(key);
            }
        }
        Ok(sections)
    }
}

/// The parser's own words may quote the text.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "a section has no END line",
        Error::IllegalSectionStart { .. } => "a BEGIN line is broken",
        Error::Base64Decode(_) => "a section is not base64",
        _ => "it is broken",
    }
}

/// One section.
pub(super) fn section(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
