//! What a process tells of itself, on a port of its own: that it lives, that it is ready, how it fares.
//!
//! ```text
//!   GET /healthz ─▶ it answers
//!   GET /readyz ──▶ Readiness, asked at that moment
//!   GET /metrics ─▶ Registry ◀─┬─ histograms, counted where something takes time
//!                              └─ collectors, which read what is there: index, zones, proxies, /proc
//! ```
//!
//! Nothing runs between two questions. docs/metrics.md lists every metric; a test compares.

mod bind;
mod buckets;
mod process;
mod readiness;
mod rest;
mod server;
mod sheet;
mod store;

use prometheus_client::{metrics::info::Info, registry::Registry};

pub(crate) use bind::{BindAddress, OptionalBindAddress};
pub(crate) use buckets::seconds;
pub(crate) use readiness::Readiness;
pub(crate) use rest::count_requests;
pub(crate) use server::Diagnostics;
pub(crate) use sheet::{Sample, Sheet};
pub(crate) use store::observe as observe_store;

use crate::version::VERSION;

/// What a process tells once it has started.
pub(crate) struct Signals {
    /// Its metrics.
    pub(crate) registry: Registry,
    /// When it is ready.
    pub(crate) readiness: Readiness,
}

/// A registry with what every process has: its build, and its use of the machine.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register(
        "portolan_build",
        "The version of Portolan; always 1",
        Info::new([("version", VERSION)]),
    );
    registry.register_collector(Box::new(process::Process::new()));
    registry
}
