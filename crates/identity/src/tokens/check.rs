//! Whether a proxy is one of those that a token was issued for.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::proto::mesh::Dataplane;

use super::DataplaneClaims;

/// The proxy that shows a token, as far as tokens restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy<'a> {
    /// `dataplane`, `ingress` or `egress`.
    pub proxy_type: &'a str,
    /// Name of its resource.
    pub name: &'a str,
    /// Mesh of its resource.
    pub mesh: &'a str,
    /// All values that it has for each tag.
    pub tags: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Its label `kuma.io/workload`.
    pub workload: Option<&'a str>,
}

impl<'a> Proxy<'a> {
    /// A Dataplane with the tags of its gateway and of all its inbounds.
    pub fn of_dataplane(mesh: &'a str, name: &'a str, spec: &'a Dataplane) -> Self {
        let mut tags: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        if let Some(networking) = &spec.networking {
            let gateway = networking.gateway.iter().flat_map(|gateway| &gateway.tags);
            let inbound = networking.inbound.iter().flat_map(|inbound| &inbound.tags);
            for (tag, value) in gateway.chain(inbound) {
                tags.entry(tag).or_default().insert(value);
            }
        }
        Self {
            proxy_type: "dataplane",
            name,
            mesh,
            tags,
            workload: None,
        }
    }
}

/// What a proxy and its token disagree about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another name, mesh, proxy type or workload.
    #[error(
        "the proxy's {what} is {proxy:?}, but its token is for {token:?}; generate a token for {proxy:?}"
    )]
    Value {
        /// `name`, `mesh`, `type` or `workload`.
        what: &'static str,
        /// The proxy's.
        proxy: String,
        /// The token's.
        token: String,
    },
    /// A tag is missing.
    #[error(
        "the proxy has no tag {tag:?}, which its token requires; add it or generate another token"
    )]
    NoTag {
        /// The tag.
        tag: String,
    },
    /// A tag has another value.
    #[error(
        "the proxy's tag {tag:?} has the value {value:?}, but its token allows {allowed:?}; generate a \
         token that allows it"
    )]
    Tag {
        /// The tag.
        tag: String,
        /// The proxy's value.
        value: String,
        /// What the token allows.
        allowed: BTreeSet<String>,
    },
}

impl DataplaneClaims {
    /// Whether `proxy` may use this token: what the claims leave empty is free; for each tag of the
    /// claims the proxy has the tag, and no value that the claims do not name.
    ///
    /// # Errors
    /// The first [`Mismatch`], which says what the holder must do.
    pub fn check(&self, proxy: &Proxy<'_>) -> Result<(), Mismatch> {
        same("type", &self.proxy_type, proxy.proxy_type)?;
        same("name", &self.name, proxy.name)?;
        same("mesh", &self.mesh, proxy.mesh)?;
        for (tag, allowed) in &self.tags {
            let values = proxy
                .tags
                .get(tag.as_str())
                .ok_or_else(|| Mismatch::NoTag { tag: tag.clone() })?;
            if let Some(value) = values.iter().find(|&&value| !allowed.contains(value)) {
                let (tag, value) = (tag.clone(), (*value).to_owned());
                return Err(Mismatch::Tag {
                    tag,
                    value,
                    allowed: allowed.clone(),
                });
            }
        }
        same(
            "workload",
            &self.workload,
            proxy.workload.unwrap_or_default(),
        )
    }
}

fn same(what: &'static str, token: &str, proxy: &str) -> Result<(), Mismatch> {
    if token.is_empty() || token == proxy {
        return Ok(());
    }
    Err(Mismatch::Value {
        what,
        proxy: proxy.to_owned(),
        token: token.to_owned(),
    })
}
