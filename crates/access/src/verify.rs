//! From a token to who showed it.

use portolan_identity::tokens::{
    DataplaneClaims, PublicKey, SigningKey, TokenError, Verifier, ZoneClaims, claimed_mesh, key_id,
};
use portolan_model::{Resource, ResourceKey, kinds::secret};

use crate::{Purpose, Tokens, User, purpose::is_serial};

impl Tokens {
    /// The claims of a data plane's token, for a proxy of `mesh`. They are not yet compared with the proxy.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn dataplane(&self, mesh: &str, token: &str) -> Result<DataplaneClaims, TokenError> {
        let purpose = Purpose::Dataplane { mesh };
        let of_mesh = self
            .verifier(purpose, token)
            .and_then(|verifier| verifier.verify_dataplane(token));
        match (of_mesh, &self.own_key) {
            (Err(TokenError::Signature | TokenError::UnknownKey { .. }), Some(own)) => {
                let mut verifier = own.verifier();
                self.revoke(purpose, &mut verifier);
                verifier.verify_dataplane(token)
            }
            (verified, _) => verified,
        }
    }

    /// The claims of a data plane's token, of whichever mesh it says it is.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn dataplane_of_its_mesh(&self, token: &str) -> Result<DataplaneClaims, TokenError> {
        self.dataplane(&claimed_mesh(token)?, token)
    }

    /// Whether data planes of a mesh can have tokens that are accepted here.
    pub fn has_key_of(&self, mesh: &str) -> bool {
        self.newest(Purpose::Dataplane { mesh }).is_some()
    }

    /// The claims of a zone's token.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn zone(&self, token: &str) -> Result<ZoneClaims, TokenError> {
        self.verifier(Purpose::Zone, token)?.verify_zone(token)
    }

    /// The user who showed a token.
    ///
    /// # Errors
    /// [`TokenError`], which says what the holder must do.
    pub fn user(&self, token: &str) -> Result<User, TokenError> {
        let claims = self.verifier(Purpose::User, token)?.verify_user(token)?;
        Ok(User::authenticated(claims))
    }

    /// A verifier with the one key that the token names, and with what is revoked.
    fn verifier(&self, purpose: Purpose<'_>, token: &str) -> Result<Verifier, TokenError> {
        let id = key_id(token, purpose.name())?;
        let mut verifier = Verifier::default();
        if let Some(key) = self.public_key(purpose, &id)? {
            verifier.trust(&id, key);
        }
        self.revoke(purpose, &mut verifier);
        Ok(verifier)
    }

    fn public_key(&self, purpose: Purpose<'_>, id: &str) -> Result<Option<PublicKey>, TokenError> {
        if !is_serial(id) {
            return Ok(None);
        }
        let snapshot = self.store.index().snapshot();
        let Some(secret) = snapshot.get(&self.verifying_key(purpose, id)) else {
            return Ok(None);
        };
        if let Some((revision, key)) = self.keys.lock().get(&secret.key)
            && *revision == secret.revision
        {
            return Ok(Some(key.clone()));
        }
        let key = if self.has_public_half(purpose) {
            public_key(secret)
        } else {
            signing_key(id, secret).map(|key| key.public_key().clone())
        };
        let key = key.ok_or_else(|| TokenError::UnusableKey {
            id: id.to_owned(),
            secret: secret.key.to_string(),
        })?;
        let entry = (secret.revision, key.clone());
        self.keys.lock().insert(secret.key.clone(), entry);
        Ok(Some(key))
    }

    /// The secret by which a token is verified.
    fn verifying_key(&self, purpose: Purpose<'_>, id: &str) -> ResourceKey {
        if self.has_public_half(purpose) {
            purpose.public_key(id)
        } else {
            purpose.signing_key(id)
        }
    }

    /// Whether only the public half of the keys comes here: a zone issues no tokens for zones.
    fn has_public_half(&self, purpose: Purpose<'_>) -> bool {
        self.of_zone && purpose == Purpose::Zone
    }

    fn revoke(&self, purpose: Purpose<'_>, verifier: &mut Verifier) {
        let snapshot = self.store.index().snapshot();
        let ids = snapshot.get(&purpose.revocations());
        if let Some(ids) = ids.and_then(|secret| secret::data(secret).ok()) {
            verifier.revoke(&String::from_utf8_lossy(&ids));
        }
    }
}

/// The key in a secret, if it is one.
pub(crate) fn signing_key(id: &str, secret: &Resource) -> Option<SigningKey> {
    let content = secret::data(secret).ok()?;
    SigningKey::from_secret(id, &content).ok()
}

fn public_key(secret: &Resource) -> Option<PublicKey> {
    let content = secret::data(secret).ok()?;
    PublicKey::from_pem(std::str::from_utf8(&content).ok()?).ok()
}
