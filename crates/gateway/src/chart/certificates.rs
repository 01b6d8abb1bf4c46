//! Which Secrets a certificate can be had from. Of their content nothing is kept.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Resource, kinds::secret};

use crate::{fault::Reason, plan::certificate};

/// For each Secret by its name why it is no certificate, or nothing if it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    by_name: BTreeMap<Arc<str>, Option<Reason>>,
}

impl Certificates {
    /// Takes over a resource of kind Secret.
    pub(super) fn insert(&mut self, resource: &Resource) {
        let name = &resource.key.name;
        // Stores hold only specs that are messages of their kind.
        let text = secret::data(resource).unwrap_or_default();
        let reason = certificate::of_secret(name, &text).err();
        self.by_name.insert(name.clone(), reason);
    }

    /// Forgets the Secret of this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Why no certificate can be had from the Secret of this name; nothing if one can.
    pub(super) fn reason(&self, name: &Arc<str>) -> Option<Reason> {
        match self.by_name.get(name) {
            Some(reason) => reason.clone(),
            None => Some(Reason::NoSecret(name.clone())),
        }
    }
}
