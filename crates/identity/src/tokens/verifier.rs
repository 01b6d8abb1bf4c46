//! From a token to its claims.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use serde::de::DeserializeOwned;

use super::{DataplaneClaims, PublicKey, UserClaims, ZoneClaims, claims::Content};

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or not of the kind that is needed here.
    #[error(
        "this is not a {kind} token ({reason}); generate one and give it whole, without changes"
    )]
    Malformed {
        /// What kind was needed.
        kind: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// Signed in another way.
    #[error("the token is signed with another algorithm than RS256; generate a new token")]
    Algorithm,
    /// Signed with a key that the verifier does not have.
    #[error(
        "there is no signing key with id {id:?}; if the signing key was rotated, generate a new token"
    )]
    UnknownKey {
        /// The id that the token names.
        id: String,
    },
    /// The key that the token names is none.
    #[error(
        "the signing key {id:?} cannot be used, because {secret} holds no RSA private key; write it anew, \
         or delete it"
    )]
    UnusableKey {
        /// The id that the token names.
        id: String,
        /// The secret that should hold the key.
        secret: String,
    },
    /// The signature is not that of the key that the token names.
    #[error(
        "the token's signature is wrong: it was changed, or another control plane issued it; generate \
         one on the control plane that you connect to"
    )]
    Signature,
    /// Its time has not come.
    #[error(
        "the token is valid only from {from}; check the clocks of this machine and of the one that \
         issued it"
    )]
    NotYetValid {
        /// From when on it is valid.
        from: Timestamp,
    },
    /// Its time is over.
    #[error("the token has expired on {at}; generate a new one")]
    Expired {
        /// Until when it was valid.
        at: Timestamp,
    },
    /// It was taken back.
    #[error("the token {id} has been revoked; generate a new one")]
    Revoked {
        /// Its id (`jti`).
        id: String,
    },
}

/// The public keys whose tokens are accepted, by id, and the ids of tokens that are refused all the same.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    keys: BTreeMap<String, PublicKey>,
    revoked: BTreeSet<String>,
}

impl Verifier {
    /// Accepts from now on what `key` signs under `id`.
    pub fn trust(&mut self, id: &str, key: PublicKey) {
        self.keys.insert(id.to_owned(), key);
    }

    /// Refuses the tokens of a comma-separated list of ids (`jti`), as Kuma's revocation secrets hold it.
    pub fn revoke(&mut self, ids: &str) {
        let ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
        self.revoked.extend(ids.map(str::to_owned));
    }

    /// The claims of a data plane's token.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn verify_dataplane(&self, token: &str) -> Result<DataplaneClaims, TokenError> {
        self.verify(token, "data plane", Timestamp::now())
    }

    /// The claims of a zone's token.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn verify_zone(&self, token: &str) -> Result<ZoneClaims, TokenError> {
        self.verify(token, "zone", Timestamp::now())
    }

    /// The claims of a user's token.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn verify_user(&self, token: &str) -> Result<UserClaims, TokenError> {
        self.verify(token, "user", Timestamp::now())
    }

    pub(super) fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        kind: &'static str,
        now: Timestamp,
    ) -> Result<C, TokenError> {
        let content = self.content::<C>(token.trim(), kind)?;
        let now = now.as_second();
        if now < content.nbf {
            return Err(TokenError::NotYetValid {
                from: instant(content.nbf),
            });
        }
        if now >= content.exp {
            return Err(TokenError::Expired {
                at: instant(content.exp),
            });
        }
        if self.revoked.contains(&content.jti) {
            return Err(TokenError::Revoked { id: content.jti });
        }
        Ok(content.claims)
    }

    /// The content of a token whose signature is good; its times are not looked at.
    fn content<C: DeserializeOwned>(
        &self,
        token: &str,
        kind: &'static str,
    ) -> Result<Content<C>, TokenError> {
        let id = key_id(token, kind)?;
        let Some(key) = self.keys.get(&id) else {
            return Err(TokenError::UnknownKey { id });
        };
        jsonwebtoken::decode(token, &key.0, &signature_only())
            .map(|decoded| decoded.claims)
            .map_err(|error| refusal(&error, kind))
    }
}

/// The id of the key that a token says it is signed with: which key to look for. `kind` is what the token
/// should be one of, for the message. Nothing is verified yet but the algorithm.
///
/// # Errors
/// [`TokenError::Malformed`] and [`TokenError::Algorithm`].
pub fn key_id(token: &str, kind: &'static str) -> Result<String, TokenError> {
    let header =
        jsonwebtoken::decode_header(token.trim()).map_err(|error| refusal(&error, kind))?;
    if header.alg != Algorithm::RS256 {
        return Err(TokenError::Algorithm);
    }
    header.kid.ok_or_else(|| TokenError::Malformed {
        kind,
        reason: "its header has no kid".to_owned(),
    })
}

/// The mesh that a data plane's token says it is of, to find the key that verifies it: only a verified token
/// is to be believed.
///
/// # Errors
/// [`TokenError::Malformed`].
pub fn claimed_mesh(token: &str) -> Result<String, TokenError> {
    let kind = "data plane";
    let claims = jsonwebtoken::dangerous::insecure_decode::<DataplaneClaims>(token.trim());
    let claims = claims.map_err(|error| refusal(&error, kind))?;
    Ok(claims.claims.mesh)
}

fn refusal(error: &jsonwebtoken::errors::Error, kind: &'static str) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenError::Algorithm,
        _ => TokenError::Malformed {
            kind,
            reason: error.to_string(),
        },
    }
}

/// Times are checked against a clock that is a value, so the library leaves them alone.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}
