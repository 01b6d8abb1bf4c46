//! What certificates and keys are made from, before anybody knows which of both it is.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use portolan_model::{Resource, kinds::secret};
use portolan_proto::system::{DataSource, data_source::Type};

use crate::fault::Reason;

/// PEM text that may be a private key, so it is shown to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Material(Bytes);

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material { (hidden) }")
    }
}

/// What the Secrets of a mesh hold, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Materials {
    by_name: BTreeMap<Arc<str>, Material>,
}

impl Materials {
    /// Takes over a resource of kind Secret.
    pub(super) fn insert(&mut self, resource: &Resource) {
        // Stores hold only specs that are messages of their kind.
        let text = secret::data(resource).unwrap_or_default();
        self.by_name
            .insert(resource.key.name.clone(), Material(text));
    }

    /// Forgets the Secret of this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }
}

/// Where a text comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The Secret of this name in the same mesh.
    Secret(Arc<str>),
    /// The resource itself.
    Inline(Material),
    /// Nowhere, for this reason.
    Nowhere(Reason),
}

impl Source {
    /// Reads what stands in a field.
    pub(super) fn read(spec: DataSource) -> Self {
        match spec.r#type {
            Some(Type::Secret(name)) if !name.is_empty() => Self::Secret(name.into()),
            Some(Type::Inline(bytes)) => Self::Inline(Material(bytes.value)),
            Some(Type::InlineString(text)) => Self::Inline(Material(text.into())),
            Some(Type::File(_)) => Self::Nowhere(Reason::CertificateFile),
            Some(Type::Secret(_)) | None => Self::Nowhere(Reason::NoData),
        }
    }

    /// Whether it is the Secret of this name.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        matches!(self, Self::Secret(own) if **own == *name)
    }

    /// The text.
    pub(super) fn text<'a>(&'a self, secrets: &'a Materials) -> Result<&'a [u8], Reason> {
        match self {
            Self::Secret(name) => match secrets.by_name.get(name) {
                Some(Material(text)) => Ok(text),
                None => Err(Reason::NoSecret(name.clone())),
            },
            Self::Inline(Material(text)) => Ok(text),
            Self::Nowhere(reason) => Err(reason.clone()),
        }
    }
}
