//! Whether a peer is the zone that it says it is.

use portolan_identity::tokens::TokenError;

use crate::Tokens;

/// What a zone's token must allow.
const SCOPE: &str = "cp";

/// Why a zone is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneRefusal {
    /// It showed no token.
    #[error(
        "zone {zone:?} showed no token: issue one on the global with `portolan token zone --zone {zone}`, and \
         give it to the zone with --global-token-file"
    )]
    NoToken {
        /// Its name.
        zone: String,
    },
    /// Its token is not good.
    #[error("zone {zone:?}: {reason}")]
    Token {
        /// Its name.
        zone: String,
        /// What is wrong.
        reason: TokenError,
    },
    /// Its token is another zone's.
    #[error(
        "zone {zone:?} showed a token for zone {token:?}: issue one on the global with `portolan token zone \
         --zone {zone}`"
    )]
    OtherZone {
        /// Its name.
        zone: String,
        /// The zone that the token is for.
        token: String,
    },
    /// Its token is for something else.
    #[error(
        "zone {zone:?} showed a token for {scope:?}, which is not for control planes: issue one with scope \
         \"cp\" on the global with `portolan token zone --zone {zone}`"
    )]
    Scope {
        /// Its name.
        zone: String,
        /// What the token is for.
        scope: Vec<String>,
    },
}

impl Tokens {
    /// Whether a control plane may act as `zone` with the token that it showed.
    ///
    /// # Errors
    /// [`ZoneRefusal`], which says what to do.
    pub fn admit_zone(&self, zone: &str, token: Option<&str>) -> Result<(), ZoneRefusal> {
        let zone = zone.to_owned();
        let Some(token) = token else {
            return Err(ZoneRefusal::NoToken { zone });
        };
        let claims = match self.zone(token) {
            Ok(claims) => claims,
            Err(reason) => return Err(ZoneRefusal::Token { zone, reason }),
        };
        if claims.zone != zone {
            let token = claims.zone;
            return Err(ZoneRefusal::OtherZone { zone, token });
        }
        if !claims.scope.iter().any(|scope| scope == SCOPE) {
            let scope = claims.scope;
            return Err(ZoneRefusal::Scope { zone, scope });
        }
        Ok(())
    }
}
