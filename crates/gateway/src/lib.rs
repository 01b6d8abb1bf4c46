//! Compiles what is written about a mesh's gateways into what Envoy is told. Pure: no clock, no I/O, no
//! async; the same resources give the same bytes everywhere.
//!
//! ```text
//!   feed ─▶ ZoneView::put / remove          indexes by mesh, kept change by change
//!                    │
//!     ZoneView::compile(Dataplane)
//!                    │
//!        plan        │  which MeshGateway, ports, hosts, routes in order, instances: plain values
//!          ▼         │
//!        layout      │  an ordered list becomes the shape in which Envoy finds routes fast
//!          ▼         │
//!        envoy       │  protobuf, each resource encoded once
//!                    ▼
//!           Arc<Compiled> ─▶ xDS            the same Arc until something it depends on changes
//! ```
//!
//! What cannot be compiled is left out alone and told as a [`Fault`].

mod compiled;
mod envoy;
mod fault;
pub mod layout;
pub mod plan;
mod view;

pub use compiled::{Compiled, Resources};
pub use envoy::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Encoded, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER, SECRET,
};
pub use fault::{Fault, Reason};
pub use view::ZoneView;
