//! What goes into the state machine and comes out, the same for both protocols.

use std::{collections::BTreeMap, sync::Arc};

use crate::resource::Resource;

/// A response that a proxy refused; it goes on with what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Type of the refused resources.
    pub type_url: String,
    /// The proxy's reason, cut after some thousand bytes.
    pub message: String,
    /// The watermark of the snapshot that they came from.
    pub watermark: u64,
}

/// How the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Incremental: changes and removals.
    Delta,
    /// State of the world: clusters and listeners always whole, removals by absence.
    StateOfTheWorld,
}

/// What a request says about names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// More and fewer than before (incremental).
    Change {
        /// Names to add; `*` means all.
        subscribe: Vec<String>,
        /// Names to drop.
        unsubscribe: Vec<String>,
    },
    /// Exactly these (state of the world).
    Exactly(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Change {
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
        }
    }
}

/// A request of either protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) type_url: String,
    pub(crate) names: Names,
    /// What the proxy holds from an earlier stream: versions by name.
    pub(crate) known: BTreeMap<String, String>,
    /// The response that this answers; empty for none.
    pub(crate) nonce: String,
    /// Why that response was refused.
    pub(crate) error: Option<String>,
}

/// A response of either protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    /// The watermark of the snapshot that it brings the proxy nearer to.
    pub(crate) watermark: u64,
    /// In state-of-the-world responses of clusters and listeners, all that the proxy should hold.
    pub(crate) resources: Vec<(Arc<str>, Resource)>,
    /// Always empty in state of the world, which has no word for it.
    pub(crate) removed: Vec<Arc<str>>,
}

/// What a request meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Interest only, or an answer to something outdated.
    Nothing,
    /// A response was taken.
    Acknowledged,
    /// A response was refused.
    Refused(Refusal),
}

/// A request that ends the stream, because following it could take any amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Abuse {
    #[error(
        "a request must carry a type_url of 1 to {} bytes",
        super::MAX_TYPE_URL
    )]
    TypeUrl,
    #[error("at most {} types may be asked for on one stream", super::MAX_TYPES)]
    TooManyTypes,
    #[error(
        "the names asked for on one stream may have {} bytes together",
        super::MAX_NAMES
    )]
    TooManyNames,
}
