//! Who may do what: tokens whose keys are secrets in the store, and the users and zones that show them.
//!
//! ```text
//!   Secret, GlobalSecret ─▶ Tokens ─┬─ issue: the newest key signs ──────────▶ token
//!   (made when missing)             └─ dataplane, zone, user: the key that the token names verifies,
//!                                      unless its id is among the revoked ──▶ claims, User
//! ```
//!
//! Every question is answered from the store's newest snapshot: a key that is added, a key that is deleted
//! and a token that is revoked count from then on, on every replica, and in every zone once it has the
//! secret.

mod issue;
mod keep;
mod purpose;
#[cfg(test)]
mod tests;
mod user;
mod verify;
mod zone;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use portolan_identity::tokens::{PublicKey, SigningKey};
use portolan_model::{ResourceKey, Revision};
use portolan_store::Store;

pub use issue::IssueError;
pub use purpose::Purpose;
pub use user::User;
pub use zone::{ZoneRefusal, ZoneRole};

/// Issues and verifies the tokens of one control plane.
pub struct Tokens {
    store: Arc<dyn Store>,
    /// Whether this is a zone, which takes the keys of meshes from its global.
    of_zone: bool,
    /// A zone's own key for data planes, of the time before meshes had keys.
    own_key: Option<SigningKey>,
    /// Public keys by the secret that they come from, with the revision at which they were read.
    keys: Mutex<HashMap<ResourceKey, (Revision, PublicKey)>>,
}

impl Tokens {
    /// Those of a global: it makes every key.
    pub fn of_global(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            of_zone: false,
            own_key: None,
            keys: Mutex::default(),
        }
    }

    /// Those of a zone: it makes keys for its own users alone. Data plane tokens that `own_key` signed are
    /// accepted beside those of the meshes' keys; it signs for meshes that have no key here.
    pub fn of_zone(store: Arc<dyn Store>, own_key: Option<SigningKey>) -> Self {
        Self {
            of_zone: true,
            own_key,
            ..Self::of_global(store)
        }
    }

    /// Whether this control plane makes the keys of such tokens.
    fn makes(&self, purpose: Purpose<'_>) -> bool {
        !self.of_zone || purpose == Purpose::User
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("of_zone", &self.of_zone)
            .finish_non_exhaustive()
    }
}
