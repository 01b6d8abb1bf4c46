//! Tokens by which data planes, zones and users show who they are: RS256 JWTs with Kuma's claims, so
//! that tokens of either control plane work with the other when they share the key.
//!
//! ```text
//!   SigningKey (private, one id) ──issue_*──▶ token ──▶ Verifier (public keys by id, revoked ids)
//!                                                             │ verify_*
//!                                                             ▼
//!                                                          claims ──check──▶ the proxy that shows it
//! ```
//!
//! Where keys and revocations come from is the caller's affair: both are values.

mod check;
mod claims;
mod key;
mod pkcs1;
mod verifier;

pub use check::{Mismatch, Proxy};
pub use claims::{DataplaneClaims, UserClaims, ZoneClaims};
pub use key::{KeyError, PublicKey, SigningKey};
pub use verifier::{TokenError, Verifier, claimed_mesh, key_id};

/// The id of a first signing key.
pub const FIRST_KEY_ID: &str = "1";

#[cfg(test)]
mod tests;
