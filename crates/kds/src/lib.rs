//! KDS: how resources travel between a global and its zones.
//!
//! ```text
//!   index ─▶ Sender ─ response ─▶ │ wire │ ─▶ Receiver ─▶ one transaction ─▶ acknowledgement
//!            cursor for each kind │      │    what a response means for the store
//! ```
//!
//! Sender and receiver are state machines without I/O, and the same on both sides: the global
//! sends what it owns to the zones ([`global`]), a zone sends what it owns to the global ([`zone`]). The
//! wire is Kuma's. Peers of our own announce it (a feature value) and then resume where they were, and
//! get large states in pages.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod connect;
mod encode;
#[cfg(test)]
mod fixtures;
pub mod global;
mod names;
#[cfg(test)]
mod pair;
mod peer;
mod progress;
mod receiver;
mod sender;
pub mod zone;
