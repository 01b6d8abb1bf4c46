//! Labels: what a resource says about itself beside its spec.

use std::collections::BTreeMap;

/// A resource's labels, ordered by name.
pub type Labels = BTreeMap<String, String>;

/// Where the resource was written: [`ORIGIN_GLOBAL`] or [`ORIGIN_ZONE`].
pub const ORIGIN: &str = "kuma.io/origin";
/// Value of [`ORIGIN`] for what was written on the global.
pub const ORIGIN_GLOBAL: &str = "global";
/// Value of [`ORIGIN`] for what was written in a zone.
pub const ORIGIN_ZONE: &str = "zone";
/// The zone that a resource of origin [`ORIGIN_ZONE`] comes from.
pub const ZONE: &str = "kuma.io/zone";
/// The mesh that the resource lives in.
pub const MESH: &str = "kuma.io/mesh";
/// The name that its author gave it, where sync had to change the name.
pub const DISPLAY_NAME: &str = "kuma.io/display-name";
/// Kind of environment; always [`ENV_UNIVERSAL`] here.
pub const ENV: &str = "kuma.io/env";
/// Value of [`ENV`].
pub const ENV_UNIVERSAL: &str = "universal";
/// On Dataplanes: the workload that they are of, which their tokens may name.
pub const WORKLOAD: &str = "kuma.io/workload";
/// On Dataplanes: `sidecar` or `gateway`.
pub const PROXY_TYPE: &str = "kuma.io/proxy-type";
