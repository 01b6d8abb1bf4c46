//! The ADS server: gives every proxy its newest snapshot of resources, generic over what these are.
//!
//! ```text
//!   Proxies::connect ─▶ Session { snapshots, events }
//!                           │ watch: the newest only        ▲ acknowledged, refused, serving
//!                           ▼                               │
//!   gRPC stream ◀─▶ wire (delta | sotw) ◀─▶ stream::Stream (pure: what to send next, in which order)
//! ```
//!
//! The order that breaks nothing: what is used comes before its users (secrets, clusters, endpoints,
//! listeners, routes), what is removed goes after them. One response of a type is in flight at a time, and
//! snapshots that come meanwhile replace one another, so a slow proxy costs nothing and skips versions.
//!
//! The server that hosts the service should ping idle HTTP/2 connections, because a proxy that is gone
//! without a word is otherwise never noticed.

mod order;
mod resource;
mod server;
mod stream;
pub mod type_urls;
mod wire;

pub use resource::{Resource, Resources, Snapshot};
pub use server::{AdsServer, Connect, Events, Proxies, Session};
pub use stream::Refusal;
