//! Descriptions of Envoy's messages, in memory while a template needs them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// All of Envoy's API that configures proxies.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"));

/// The descriptions. All templates share them; they go with the last one.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<DescriptorPool>);

static SHARED: Mutex<Weak<DescriptorPool>> = Mutex::new(Weak::new());

impl Pool {
    pub(super) fn get() -> Self {
        // Whoever panicked while holding it has left it whole.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = shared.upgrade() {
            return Self(pool);
        }
        // The build has made it; an empty one would refuse every value.
        let pool = Arc::new(DescriptorPool::decode(DESCRIPTORS).unwrap_or_default());
        *shared = Arc::downgrade(&pool);
        Self(pool)
    }

    /// The message of this type URL or full name.
    pub(super) fn message(&self, type_url: &str) -> Option<MessageDescriptor> {
        let name = type_url.rsplit('/').next().unwrap_or_default();
        self.0.get_message_by_name(name)
    }
}
