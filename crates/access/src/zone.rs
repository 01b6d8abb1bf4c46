//! Whether a peer is of the zone that it says it is of.

use std::fmt;

use portolan_identity::tokens::TokenError;

use crate::Tokens;

/// Who shows a zone's token, which must be for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneRole {
    /// The zone's control plane, to its global.
    ControlPlane,
    /// The zone's ingress, to its control plane.
    Ingress,
    /// The zone's egress, to its control plane.
    Egress,
}

impl ZoneRole {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ControlPlane, Self::Ingress, Self::Egress];

    /// What a token's scope says of it.
    pub fn scope(self) -> &'static str {
        match self {
            Self::ControlPlane => "cp",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// Where the token is shown.
    fn flag(self) -> &'static str {
        match self {
            Self::ControlPlane => "--global-token-file",
            Self::Ingress | Self::Egress => "--dataplane-token-file",
        }
    }

    /// Whether a token without a zone's name will do: who asks is known to be of this zone, since it asks here.
    fn takes_any_zone(self) -> bool {
        self != Self::ControlPlane
    }
}

impl fmt::Display for ZoneRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control planes",
            Self::Ingress => "ingresses",
            Self::Egress => "egresses",
        })
    }
}

/// Why a peer of a zone is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneRefusal {
    /// It showed no token.
    #[error(
        "zone {zone:?} showed no token: issue one on the global with `{}`, and give it to the zone with {}",
        command(zone, *role), role.flag()
    )]
    NoToken {
        /// Its name.
        zone: String,
        /// What it is.
        role: ZoneRole,
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
        "zone {zone:?} showed a token for zone {token:?}: issue one on the global with `{}`",
        command(zone, *role)
    )]
    OtherZone {
        /// Its name.
        zone: String,
        /// The zone that the token is for.
        token: String,
        /// What it is.
        role: ZoneRole,
    },
    /// Its token is for something else.
    #[error(
        "zone {zone:?} showed a token for {scope:?}, which is not for {role}: issue one with scope {:?} on the \
         global with `{}`",
        role.scope(), command(zone, *role)
    )]
    Scope {
        /// Its name.
        zone: String,
        /// What the token is for.
        scope: Vec<String>,
        /// What it is.
        role: ZoneRole,
    },
}

/// What issues a token for that.
fn command(zone: &str, role: ZoneRole) -> String {
    let scope = match role {
        // The default.
        ZoneRole::ControlPlane => String::new(),
        ZoneRole::Ingress | ZoneRole::Egress => format!(" --scope {}", role.scope()),
    };
    format!("portolan token zone --zone {zone}{scope}")
}

impl Tokens {
    /// Whether a control plane may act as `zone` with the token that it showed.
    ///
    /// # Errors
    /// [`ZoneRefusal`], which says what to do.
    pub fn admit_zone(&self, zone: &str, token: Option<&str>) -> Result<(), ZoneRefusal> {
        self.admit(ZoneRole::ControlPlane, zone, token)
    }

    /// Whether somebody may act as that of `zone` with the token that it showed. A zone verifies by the public keys that
    /// its global sends.
    ///
    /// # Errors
    /// [`ZoneRefusal`], which says what to do.
    pub fn admit(
        &self,
        role: ZoneRole,
        zone: &str,
        token: Option<&str>,
    ) -> Result<(), ZoneRefusal> {
        let zone = zone.to_owned();
        let Some(token) = token else {
            return Err(ZoneRefusal::NoToken { zone, role });
        };
        let claims = match self.zone(token) {
            Ok(claims) => claims,
            Err(reason) => return Err(ZoneRefusal::Token { zone, reason }),
        };
        let is_any = claims.zone.is_empty() && role.takes_any_zone();
        if claims.zone != zone && !is_any {
            let token = claims.zone;
            return Err(ZoneRefusal::OtherZone { zone, token, role });
        }
        if !claims.scope.iter().any(|scope| scope == role.scope()) {
            let scope = claims.scope;
            return Err(ZoneRefusal::Scope { zone, scope, role });
        }
        Ok(())
    }
}
