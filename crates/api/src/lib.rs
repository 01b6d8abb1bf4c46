//! The REST API: Kuma's paths, bodies, labels and errors over a store, and Portolan's own extensions.
//!
//! ```text
//!   request ─▶ guard (time, panics, log of refusals) ─▶ who asks ─▶ router (made from the registry of kinds)
//!                ▲                                         │
//!                │   read:  index snapshot ─▶ filter ─▶ page ─▶ JSON      watch: index ─▶ lines of JSON
//!                │   write: body ─▶ document ─▶ prepare (pure: meta, labels, spec, violations)
//!                │                                  ─▶ Store::commit ─▶ {} + portolan-revision
//!                └── Problem: Kuma's error envelope ◀──────┘
//! ```
//!
//! Nothing here knows a kind by name, except where Kuma has a view of particular kinds (filters of
//! Dataplanes, insights, the Dataplanes of a MeshGateway) and where a Mesh owns what is in it.

mod absent;
mod access;
mod answer;
mod authentication;
mod call;
mod config;
mod document;
mod gateway_dataplanes;
mod gateways;
mod guard;
mod index_document;
mod insights;
mod kinds_document;
mod problem;
mod read;
mod router;
pub mod status;
mod tokens;
mod watch;
mod write;

pub use config::{Api, Instance, Role};
pub use gateways::GatewayCharts;
pub use router::router;
