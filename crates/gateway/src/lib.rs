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
//! A [`chart::Chart`] holds the same plan of all zones for those who ask about it: [`explain`] says why a
//! request goes where it goes, [`diff`] what a change does to routes, [`lint`] what a resource will not do.
//!
//! What cannot be compiled is left out alone and told as a [`Fault`].

pub mod chart;
mod compiled;
pub mod diff;
mod envoy;
pub mod explain;
mod fault;
pub mod layout;
pub mod lint;
pub mod plan;
pub mod support;
mod template;
mod view;

use plan::{policy::CONNECTION_POLICIES, proxy::PROXY_POLICIES};
use portolan_model::{Kind, kinds};

/// The kinds of resources that gateways are made of.
pub fn inputs() -> impl Iterator<Item = Kind> {
    let own = [
        kinds::MESH,
        kinds::MESH_GATEWAY,
        kinds::MESH_GATEWAY_ROUTE,
        kinds::SECRET,
        kinds::EXTERNAL_SERVICE,
        kinds::TRAFFIC_PERMISSION,
        kinds::DATAPLANE,
        kinds::ZONE_INGRESS,
        kinds::ZONE,
    ];
    let policies = CONNECTION_POLICIES.iter().chain(&PROXY_POLICIES);
    // What is not used is known all the same: whoever asks is told.
    own.into_iter()
        .chain(policies.copied())
        .chain(support::unused())
}

pub use compiled::{Compiled, Resources, Trusts};
pub use envoy::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Encoded, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER,
    SECRET, TICKET_KEY_BYTES, all_authorities_secret, authority_secret, identity_secret,
    ticket_keys_secret,
};
pub use fault::{Fault, Reason};
pub use plan::ingress::Available;
pub use view::ZoneView;
