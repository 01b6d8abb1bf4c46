//! A resource as every part of Portolan holds it.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use crate::{
    key::ResourceKey,
    kind::{Kind, SpecError},
    labels::Labels,
};

/// A position in the order of all changes of one store; the first change has revision 1.
pub type Revision = u64;

/// One resource, immutable; shared behind `Arc`.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its identity.
    pub key: ResourceKey,
    /// Its labels.
    pub labels: Labels,
    /// The spec in canonical protobuf encoding: decoded and encoded again by its kind, so that equal
    /// specs have equal bytes.
    pub spec: Bytes,
    /// Optimistic-lock count: 1 at creation, one more with each change.
    pub version: u64,
    /// The store's revision of its last change.
    pub revision: Revision,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

impl Resource {
    /// The typed spec.
    ///
    /// # Errors
    /// When the stored bytes are not a `T`, which means `T` is not the message of this kind.
    pub fn spec_as<T: Message + Default>(&self) -> Result<T, SpecError> {
        T::decode(self.spec.clone()).map_err(|source| SpecError::Wire {
            kind: self.key.kind.name(),
            reason: source.to_string(),
        })
    }

    /// The name that its author gave it: the display name where sync changed the name.
    pub fn display_name(&self) -> &str {
        self.labels
            .get(crate::labels::DISPLAY_NAME)
            .map_or(&*self.key.name, String::as_str)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("key", &self.key)
            .field("labels", &self.labels)
            .field("spec", &ShownSpec(self.key.kind, &self.spec))
            .field("version", &self.version)
            .field("revision", &self.revision)
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish()
    }
}

/// A spec as `Debug` may show it: that of a secret is hidden.
pub struct ShownSpec<'a>(pub Kind, pub &'a Bytes);

impl fmt::Debug for ShownSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_secret() {
            f.write_str("(hidden)")
        } else {
            self.1.fmt(f)
        }
    }
}
