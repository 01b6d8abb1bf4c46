//! Encryption of secrets at rest: AES-256-GCM under keys that only the process has.
//!
//! ```text
//!   stored = format (1 byte) | id of the key (8) | nonce (12) | ciphertext and tag
//! ```
//!
//! Kind, mesh and name are authenticated with each ciphertext, so that one secret's bytes cannot be put
//! under another's name. Several keys may be given: the first encrypts, all decrypt.

use std::{fmt, str::FromStr, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest, rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use portolan_model::ResourceKey;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a key's id.
const ID_BYTES: usize = 8;
/// First byte of what is stored; another form would have another.
const FORMAT: u8 = 1;

/// Names a key without telling anything of it: the beginning of its hash.
type KeyId = [u8; ID_BYTES];

/// One key. It is written as base64 and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; KEY_BYTES]);

/// A text that is no key.
#[derive(Debug, thiserror::Error)]
#[error("a key is 32 bytes in base64: make one with `openssl rand -base64 32`")]
pub struct NoKey;

impl SecretKey {
    /// A new one. `None` when the system has no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// As text for a file that only its owner may read; [`FromStr`] reads it back.
    pub fn expose(&self) -> String {
        STANDARD.encode(self.0)
    }

    fn id(&self) -> KeyId {
        let hash = digest::digest(&digest::SHA256, &self.0);
        let mut id = KeyId::default();
        id.copy_from_slice(&hash.as_ref()[..ID_BYTES]);
        id
    }
}

impl FromStr for SecretKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| NoKey)?;
        bytes.try_into().map(Self).map_err(|_| NoKey)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// The keys of a store.
#[derive(Clone)]
pub struct SecretKeys {
    /// Encrypts.
    first: Arc<Lock>,
    /// Decrypt what was encrypted before the first came.
    older: Arc<[Lock]>,
}

struct Lock {
    id: KeyId,
    key: RandomizedNonceKey,
}

/// Why what is stored cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It was encrypted with a key that was not given.
    #[error(
        "{key} is encrypted with key {id}, which this process does not have. Start it with \
         --secret-key-file FILE (or PORTOLAN_SECRET_KEY) and that key; every replica on one database needs \
         the same keys. The key that a process made for itself is secret.key in its data folder"
    )]
    UnknownKey {
        /// One such resource.
        key: ResourceKey,
        /// The key's id, in hexadecimal digits.
        id: String,
    },
    /// The key is there and the bytes are not what it encrypted under this name.
    #[error(
        "{key} is not what was encrypted under this name: the database was changed or damaged from \
         outside. Restore it from a backup, or remove the row and write the secret again"
    )]
    Damaged {
        /// The resource.
        key: ResourceKey,
    },
}

/// Nothing could be encrypted.
#[derive(Debug, thiserror::Error)]
#[error("the secret cannot be encrypted: the system gives no random numbers")]
pub(crate) struct CannotSeal;

impl SecretKeys {
    /// `first` encrypts; it and `older` decrypt.
    pub fn new(first: &SecretKey, older: &[SecretKey]) -> Self {
        Self {
            first: Arc::new(Lock::of(first)),
            older: older.iter().map(Lock::of).collect(),
        }
    }

    /// What to store for the spec of `key`.
    pub(crate) fn seal(&self, key: &ResourceKey, spec: &[u8]) -> Result<Vec<u8>, CannotSeal> {
        let mut ciphertext = spec.to_vec();
        let nonce = self
            .first
            .key
            .seal_in_place_append_tag(Aad::from(name_of(key)), &mut ciphertext)
            .map_err(|_| CannotSeal)?;
        let mut stored = Vec::with_capacity(1 + ID_BYTES + NONCE_LEN + ciphertext.len());
        stored.push(FORMAT);
        stored.extend_from_slice(&self.first.id);
        stored.extend_from_slice(nonce.as_ref());
        stored.append(&mut ciphertext);
        Ok(stored)
    }

    /// The spec of `key` from what is stored.
    pub(crate) fn open(&self, key: &ResourceKey, stored: &[u8]) -> Result<Bytes, SealError> {
        let damaged = || SealError::Damaged { key: key.clone() };
        let (id, nonce, ciphertext) = parts(stored).ok_or_else(damaged)?;
        let lock = self.lock(id).ok_or_else(|| SealError::UnknownKey {
            key: key.clone(),
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        })?;
        let mut ciphertext = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let spec = lock
            .key
            .open_in_place(nonce, Aad::from(name_of(key)), &mut ciphertext)
            .map_err(|_| damaged())?
            .len();
        ciphertext.truncate(spec);
        Ok(ciphertext.into())
    }

    /// Whether the first key encrypted it.
    pub(crate) fn is_current(&self, stored: &[u8]) -> bool {
        parts(stored).is_some_and(|(id, ..)| *id == self.first.id)
    }

    fn lock(&self, id: &KeyId) -> Option<&Lock> {
        let mut locks = [&*self.first].into_iter().chain(&*self.older);
        locks.find(|lock| lock.id == *id)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKeys({} hidden)", 1 + self.older.len())
    }
}

impl Lock {
    #[allow(clippy::expect_used)] // Only a key of another length is refused.
    fn of(key: &SecretKey) -> Self {
        Self {
            id: key.id(),
            key: RandomizedNonceKey::new(&AES_256_GCM, &key.0).expect("a key of 256 bits"),
        }
    }
}

/// What is authenticated with a ciphertext: names have no zero byte, so no two keys are alike.
fn name_of(key: &ResourceKey) -> Vec<u8> {
    [key.kind.name(), &key.mesh, &key.name]
        .join("\0")
        .into_bytes()
}

fn parts(stored: &[u8]) -> Option<(&KeyId, &[u8; NONCE_LEN], &[u8])> {
    let rest = stored.strip_prefix(&[FORMAT])?;
    let (id, rest) = rest.split_first_chunk()?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    Some((id, nonce, ciphertext))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portolan_model::kinds::{GLOBAL_SECRET, SECRET};

    use super::*;

    fn keys(keys: &[&SecretKey]) -> SecretKeys {
        let older: Vec<_> = keys[1..].iter().map(|key| (*key).clone()).collect();
        SecretKeys::new(keys[0], &older)
    }

    #[test]
    fn only_the_same_name_under_a_known_key_opens() {
        let (old, new) = (
            SecretKey::generate().unwrap(),
            SecretKey::generate().unwrap(),
        );
        let a = ResourceKey::in_mesh(SECRET, "default", "a");
        let stored = keys(&[&old]).seal(&a, b"hunter2").unwrap();
        assert!(!stored.windows(7).any(|window| window == b"hunter2"));
        assert_ne!(stored, keys(&[&old]).seal(&a, b"hunter2").unwrap());

        let both = keys(&[&new, &old]);
        assert_eq!(both.open(&a, &stored).unwrap(), "hunter2");
        assert!(!both.is_current(&stored));
        assert!(both.is_current(&both.seal(&a, b"").unwrap()));

        let unknown = keys(&[&new]).open(&a, &stored).unwrap_err();
        assert!(matches!(unknown, SealError::UnknownKey { .. }), "{unknown}");
        let others = [
            ResourceKey::in_mesh(SECRET, "default", "b"),
            ResourceKey::in_mesh(SECRET, "other", "a"),
            ResourceKey::global(GLOBAL_SECRET, "a"),
        ];
        for other in others {
            let error = both.open(&other, &stored).unwrap_err();
            assert!(matches!(error, SealError::Damaged { .. }), "{error}");
        }
        for broken in [&stored[..stored.len() - 1], &stored[..20], b"", b"plain"] {
            let error = both.open(&a, broken).unwrap_err();
            assert!(matches!(error, SealError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = SecretKey::generate().unwrap();
        let text = key.expose() + "\n";
        assert!(text.parse::<SecretKey>().unwrap() == key);
        assert_eq!(
            format!("{key:?} {:?}", keys(&[&key])),
            "SecretKey(hidden) SecretKeys(1 hidden)"
        );
        for wrong in ["", "c2hvcnQ=", "no base64 at all"] {
            assert!(wrong.parse::<SecretKey>().is_err(), "{wrong}");
        }
    }
}
