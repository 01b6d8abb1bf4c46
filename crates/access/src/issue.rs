//! Issuing tokens: the key with the highest serial number signs.

use std::{sync::Arc, time::Duration};

use portolan_identity::{
    Secret,
    tokens::{DataplaneClaims, KeyError, SigningKey, UserClaims, ZoneClaims},
};
use portolan_model::Resource;
use portolan_store::StoreError;

use crate::{Purpose, Tokens, verify::signing_key};

/// Why no token is issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Zones' tokens come from the global alone.
    #[error("a zone issues no zone tokens: ask the global")]
    NotHere,
    /// There is no key.
    #[error("there is no signing key: {secret} is not found; {hint}")]
    NoKey {
        /// The secret that should hold it.
        secret: String,
        /// What to do.
        hint: &'static str,
    },
    /// The newest key is none.
    #[error("{secret} holds no RSA private key in PEM; write it anew, or delete it")]
    UnusableKey {
        /// The secret that should hold it.
        secret: String,
    },
    /// A new key could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Cryptography failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Tokens {
    /// A token for data planes that fit `claims`, signed by their mesh's key.
    ///
    /// # Errors
    /// [`IssueError`], which says what to do.
    pub async fn issue_dataplane(
        &self,
        claims: &DataplaneClaims,
        valid_for: Duration,
    ) -> Result<Secret, IssueError> {
        let purpose = Purpose::Dataplane { mesh: &claims.mesh };
        match (self.key(purpose).await, &self.own_key) {
            (Err(IssueError::NoKey { .. }), Some(own)) => {
                Ok(own.issue_dataplane(claims, valid_for)?)
            }
            (key, _) => Ok(key?.issue_dataplane(claims, valid_for)?),
        }
    }

    /// A token for a zone.
    ///
    /// # Errors
    /// [`IssueError`], which says what to do.
    pub async fn issue_zone(
        &self,
        claims: &ZoneClaims,
        valid_for: Duration,
    ) -> Result<Secret, IssueError> {
        if self.of_zone {
            return Err(IssueError::NotHere);
        }
        Ok(self
            .key(Purpose::Zone)
            .await?
            .issue_zone(claims, valid_for)?)
    }

    /// A token for a user.
    ///
    /// # Errors
    /// [`IssueError`], which says what to do.
    pub async fn issue_user(
        &self,
        claims: &UserClaims,
        valid_for: Duration,
    ) -> Result<Secret, IssueError> {
        Ok(self
            .key(Purpose::User)
            .await?
            .issue_user(claims, valid_for)?)
    }

    /// The newest key, made now if there is none and this control plane makes such keys.
    async fn key(&self, purpose: Purpose<'_>) -> Result<SigningKey, IssueError> {
        if self.newest(purpose).is_none() && self.makes(purpose) {
            self.ensure_key(purpose).await?;
        }
        let (serial, secret) = self.newest(purpose).ok_or_else(|| self.no_key(purpose))?;
        signing_key(&serial.to_string(), &secret).ok_or_else(|| IssueError::UnusableKey {
            secret: secret.key.to_string(),
        })
    }

    pub(crate) fn no_key(&self, purpose: Purpose<'_>) -> IssueError {
        IssueError::NoKey {
            secret: purpose.signing_key("1").to_string(),
            hint: match purpose {
                Purpose::Dataplane { .. } if self.of_zone => {
                    "the zone takes it from the global: see whether the mesh exists, and whether the zone \
                     is connected"
                }
                Purpose::Dataplane { .. } => "see whether the mesh exists",
                Purpose::Zone | Purpose::User => "try again",
            },
        }
    }

    /// The secret with the highest serial number.
    pub(crate) fn newest(&self, purpose: Purpose<'_>) -> Option<(u64, Arc<Resource>)> {
        let first = purpose.signing_key("1");
        let mesh = (!first.mesh.is_empty()).then_some(&*first.mesh);
        let snapshot = self.store.index().snapshot();
        let keys = snapshot.list(first.kind, mesh).filter_map(|secret| {
            let serial = purpose.serial(&secret.key.name)?;
            Some((serial, Arc::clone(secret)))
        });
        keys.max_by_key(|(serial, _)| *serial)
    }
}
