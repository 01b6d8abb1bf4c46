//! Which proxies may be which Dataplanes: those whose token says so.

use std::sync::Arc;

use axum::http::StatusCode;
use portolan_access::{Tokens, ZoneRefusal, ZoneRole};
use portolan_identity::tokens::{DataplaneClaims, Mismatch, Proxy, TokenError};
use portolan_model::{Labels, ResourceKey, labels, proto::mesh::Dataplane};

use super::registration::{Prepared, Role};

/// Why a proxy is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    /// The zone cannot tell: it has heard nothing of the mesh's keys.
    #[error(
        "the zone has no signing key of mesh {0:?} yet; it takes the key from the global: see whether the mesh \
         exists, and whether the zone is connected"
    )]
    NotYet(String),
    /// Its token is not good.
    #[error(transparent)]
    Token(TokenError),
    /// Its token lets it not be where other zones come in.
    #[error(transparent)]
    Ingress(#[from] ZoneRefusal),
    /// Its token is for others.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Its name is somebody else's.
    #[error(
        "there is a Dataplane of this name already, which the token is not for: {0}; take another name, or wait: a \
         Dataplane goes 10 s after its proxy"
    )]
    Taken(Mismatch),
}

impl From<Denied> for tonic::Status {
    fn from(denied: Denied) -> Self {
        match &denied {
            Denied::NotYet(_) => Self::unavailable(denied.to_string()),
            Denied::Token(_) | Denied::Ingress(ZoneRefusal::Token { .. }) => {
                Self::unauthenticated(denied.to_string())
            }
            Denied::Mismatch(_) | Denied::Taken(_) | Denied::Ingress(_) => {
                Self::permission_denied(denied.to_string())
            }
        }
    }
}

impl Denied {
    /// The HTTP status of an answer that says so.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotYet(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(_) | Self::Ingress(ZoneRefusal::Token { .. }) => StatusCode::UNAUTHORIZED,
            Self::Mismatch(_) | Self::Ingress(_) => StatusCode::FORBIDDEN,
            Self::Taken(_) => StatusCode::CONFLICT,
        }
    }
}

/// Checks the tokens of proxies.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    zone: Arc<str>,
    /// `None` lets everybody in.
    tokens: Option<Arc<Tokens>>,
}

impl Admission {
    /// To the zone of that name, by tokens.
    pub(crate) fn by(zone: &str, tokens: Arc<Tokens>) -> Self {
        Self {
            zone: zone.into(),
            tokens: Some(tokens),
        }
    }

    /// Of everybody.
    pub(crate) fn of_everybody() -> Self {
        Self {
            zone: Arc::default(),
            tokens: None,
        }
    }

    /// Whether a proxy needs a token.
    pub(crate) fn requires_token(&self) -> bool {
        self.tokens.is_some()
    }

    /// What the token of a pool allows, whose proxies are checked one by one; `None` where nobody needs one.
    pub(crate) fn of_pool(&self, token: &str) -> Result<Option<DataplaneClaims>, Denied> {
        let tokens = self.tokens.as_ref();
        let claims = tokens.map(|tokens| tokens.dataplane_of_its_mesh(token));
        claims.transpose().map_err(Denied::Token)
    }

    /// Whether the proxy that shows `token` may be this Dataplane or ZoneIngress, and take the place of the one that
    /// has its name: a token for a service is not one for the names of others.
    pub(crate) fn check(
        &self,
        key: &ResourceKey,
        dataplane: &Prepared,
        token: &str,
    ) -> Result<(), Denied> {
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let spec = match &dataplane.role {
            Role::Dataplane(spec) => spec,
            Role::Ingress => {
                return Ok(tokens.admit(ZoneRole::Ingress, &self.zone, Some(token))?);
            }
        };
        let claims = tokens.dataplane(&key.mesh, token).map_err(|error| {
            let unknown = matches!(error, TokenError::UnknownKey { .. });
            match unknown && !tokens.has_key_of(&key.mesh) {
                true => Denied::NotYet(key.mesh.to_string()),
                false => Denied::Token(error),
            }
        })?;
        is_for(&claims, key, spec, &dataplane.labels)?;
        match &dataplane.replaces {
            Some((spec, labels)) => is_for(&claims, key, spec, labels).map_err(Denied::Taken),
            None => Ok(()),
        }
    }
}

fn is_for(
    claims: &DataplaneClaims,
    key: &ResourceKey,
    dataplane: &Dataplane,
    its_labels: &Labels,
) -> Result<(), Mismatch> {
    let mut proxy = Proxy::of_dataplane(&key.mesh, &key.name, dataplane);
    proxy.workload = its_labels.get(labels::WORKLOAD).map(String::as_str);
    claims.check(&proxy)
}
