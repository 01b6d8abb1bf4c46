//! The REST API: Kuma's paths, bodies, labels and errors over a store, and Portolan's own extensions.
//!
//! ```text
//!   request ─▶ guard (time, panics, log of refusals) ─▶ router (made from the registry of kinds)
//!                │                                         │
//!                │   read: index snapshot ─▶ filter ─▶ page ─▶ JSON        watch: index ─▶ NDJSON
//!                │   write: body ─▶ document ─▶ prepare (pure: meta, labels, spec, violations)
//!                │                                  ─▶ Store::commit ─▶ {} + portolan-revision
//!                ◀── Problem: Kuma's error envelope ◀──────┘
//! ```
//!
//! Nothing here knows a kind by name, except where Kuma has a view of particular kinds: Dataplane
//! filters, insights, the Dataplanes of a MeshGateway.

mod answer;
mod config;
mod problem;
mod router;
pub mod status;

pub use config::{Api, Instance, Role};
pub use router::router;
