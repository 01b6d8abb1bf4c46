//! The Secrets of a mesh as certificates, each encoded once for all gateways.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Resource, kinds::secret};

use crate::{
    envoy::{self, Encoded},
    fault::Reason,
    plan::certificate::{self, Identity},
};

/// A certificate with its key, ready for proxies that ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issued {
    /// The name by which they ask.
    pub(super) name: Arc<str>,
    pub(super) encoded: Encoded,
}

impl Issued {
    pub(super) fn new(identity: &Identity) -> Self {
        Self {
            name: identity.name.clone(),
            encoded: envoy::secret(identity),
        }
    }
}

/// The certificates of each Secret by its name, or why it has none. Many Secrets are something else.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    by_name: BTreeMap<Arc<str>, Result<Box<[Issued]>, Reason>>,
}

impl Secrets {
    /// Takes over a resource of kind Secret.
    pub(super) fn insert(&mut self, resource: &Resource) {
        let name = &resource.key.name;
        // Stores hold only specs that are messages of their kind.
        let text = secret::data(resource).unwrap_or_default();
        let issued = certificate::of_secret(name, &text)
            .map(|identities| identities.iter().map(Issued::new).collect());
        self.by_name.insert(name.clone(), issued);
    }

    /// Forgets the Secret of this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// The certificates of a Secret.
    pub(super) fn certificates(&self, name: &Arc<str>) -> Result<&[Issued], Reason> {
        match self.by_name.get(name) {
            Some(Ok(issued)) => Ok(issued),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(Reason::NoSecret(name.clone())),
        }
    }
}
