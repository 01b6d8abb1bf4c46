//! Views that Kuma keeps as resources of their own; here they are computed when they are read.

pub(crate) mod mesh;
mod proxies;
pub(crate) mod service;

/// For fields that Kuma leaves out when they are zero.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands references
fn is_zero(count: &u32) -> bool {
    *count == 0
}
