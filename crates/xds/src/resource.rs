//! What is sent: resources with versions by content, as immutable snapshots.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;

/// One resource, encoded once and shared by all streams.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    /// Equal for equal content, different for different content.
    pub version: Arc<str>,
    /// The encoded message, without the `Any` around it.
    pub body: Bytes,
}

/// Without the body, which may be a private key.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("version", &self.version)
            .field("bytes", &self.body.len())
            .finish()
    }
}

/// All resources of one type, by name.
pub type Resources = BTreeMap<Arc<str>, Resource>;

/// Everything that one proxy should have.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// A number that rises with what the snapshot reflects; told back by [`crate::Events::serving`].
    pub watermark: u64,
    /// By type URL. A type that did not change should keep its `Arc`: then it is not looked at again.
    pub types: BTreeMap<&'static str, Arc<Resources>>,
}
