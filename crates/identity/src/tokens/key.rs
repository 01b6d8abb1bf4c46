//! Keys that sign tokens, and their public halves.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde::Serialize;
use uuid::Uuid;

use super::{
    DataplaneClaims, FIRST_KEY_ID, UserClaims, Verifier, ZoneClaims, claims::Content, pkcs1,
};
use crate::{
    Secret,
    files::{self, FileError},
};

/// Tokens are valid from a little earlier, for verifiers whose clock is behind.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// A signing key that cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A text that is not the key it should be.
    #[error("not an RSA {0} key in PEM; make one with: openssl genrsa -out FILE 2048")]
    Unusable(&'static str),
    /// The key file holds something else.
    #[error(
        "{} holds no RSA private key in PEM; restore it, or remove it (tokens that it signed are then \
         refused)",
        path.display()
    )]
    UnusableFile {
        /// The file.
        path: PathBuf,
    },
    /// Cryptography failed.
    #[error("cannot make or use a signing key: {0}")]
    Crypto(String),
}

/// A private key that signs tokens, with the id by which they name it.
pub struct SigningKey {
    id: String,
    private: EncodingKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new RSA key of 2048 bits as Kuma keeps one in a secret: PKCS#1 in PEM. Takes some tenths of a
    /// second.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the system cannot make one.
    pub fn generate() -> Result<Secret, KeyError> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(|error| KeyError::Crypto(error.to_string()))?;
        let der = pkcs1::of_pkcs8(pair.serialized_der())
            .ok_or_else(|| KeyError::Crypto("the new key is not in PKCS#8".to_owned()))?;
        Ok(Secret::from(pem::encode_config(
            &pem::Pem::new("RSA PRIVATE KEY", der),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        )))
    }

    /// The key in the file `path` (PEM), named [`FIRST_KEY_ID`]; `None` if there is no such file.
    ///
    /// # Errors
    /// When the file cannot be used or holds something else.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyError> {
        let Some(pem) = files::read_private(path)? else {
            return Ok(None);
        };
        let key = Self::from_pem(FIRST_KEY_ID, &Secret::from(pem));
        key.map(Some).map_err(|error| match error {
            KeyError::Unusable(_) => KeyError::UnusableFile {
                path: path.to_owned(),
            },
            other => other,
        })
    }

    /// The key that a secret holds: PEM, or PKCS#1 in DER as old Kumas wrote it.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when the content is neither.
    pub fn from_secret(id: &str, content: &[u8]) -> Result<Self, KeyError> {
        match std::str::from_utf8(content) {
            Ok(text) => Self::from_pem(id, &Secret::from(text)),
            Err(_) => {
                let pem = pem::encode(&pem::Pem::new("RSA PRIVATE KEY", content));
                Self::from_pem(id, &Secret::from(pem))
            }
        }
    }

    /// The key in `pem` (PKCS#8 or PKCS#1), named `id`.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when the text is not an RSA private key.
    pub fn from_pem(id: &str, pem: &Secret) -> Result<Self, KeyError> {
        let unusable = || KeyError::Unusable("private");
        let pair = KeyPair::from_pem(pem.expose()).map_err(|_| unusable())?;
        if !pair.is_compatible(&PKCS_RSA_SHA256) {
            return Err(unusable());
        }
        let der = pair.serialized_der();
        let inner = pkcs1::of_pkcs8(der);
        let private = EncodingKey::from_rsa_der(inner.as_deref().unwrap_or(der));
        let public = PublicKey(DecodingKey::from_rsa_der(pair.public_key_raw()));
        Ok(Self {
            id: id.to_owned(),
            private,
            public,
        })
    }

    /// Its id, which each token names in its header.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The half that verifies.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// A verifier that trusts this key alone.
    pub fn verifier(&self) -> Verifier {
        let mut verifier = Verifier::default();
        verifier.trust(&self.id, self.public.clone());
        verifier
    }

    /// A token for data planes that fit `claims`, valid from now on for `valid_for`.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when signing fails.
    pub fn issue_dataplane(
        &self,
        claims: &DataplaneClaims,
        valid_for: Duration,
    ) -> Result<Secret, KeyError> {
        self.issue(claims, valid_for, Timestamp::now())
    }

    /// A token for a zone, valid from now on for `valid_for`.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when signing fails.
    pub fn issue_zone(&self, claims: &ZoneClaims, valid_for: Duration) -> Result<Secret, KeyError> {
        self.issue(claims, valid_for, Timestamp::now())
    }

    /// A token for a user, valid from now on for `valid_for`.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when signing fails.
    pub fn issue_user(&self, claims: &UserClaims, valid_for: Duration) -> Result<Secret, KeyError> {
        self.issue(claims, valid_for, Timestamp::now())
    }

    pub(super) fn issue<C: Serialize>(
        &self,
        claims: &C,
        valid_for: Duration,
        now: Timestamp,
    ) -> Result<Secret, KeyError> {
        let valid_for = SignedDuration::try_from(valid_for).unwrap_or(SignedDuration::MAX);
        let from = now.saturating_sub(CLOCK_SKEW).unwrap_or(now).as_second();
        let content = Content {
            claims,
            exp: now.as_second().saturating_add(valid_for.as_secs()),
            nbf: from,
            iat: from,
            jti: Uuid::new_v4().to_string(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &content, &self.private)
            .map(Secret::from)
            .map_err(|error| KeyError::Crypto(error.to_string()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The half of a signing key that verifies.
#[derive(Clone)]
pub struct PublicKey(pub(super) DecodingKey);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey")
    }
}

impl PublicKey {
    /// The public key in `pem` (`BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`).
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when the text is not an RSA public key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        // The parser below takes private keys as well, and then no signature would ever fit.
        if !pem.contains("PUBLIC KEY-----") {
            return Err(KeyError::Unusable("public"));
        }
        DecodingKey::from_rsa_pem(pem.as_bytes())
            .map(Self)
            .map_err(|_| KeyError::Unusable("public"))
    }
}
