//! The identity of workloads in a mesh: its authorities, and the certificates that they sign.
//!
//! ```text
//!   create ─▶ certificate + key, as PEM ─▶ Secrets of the mesh ─▶ MeshAuthority::from_pem ─▶ issue
//!             (once, on the global)                                (in each zone, for each proxy)
//! ```

mod authority;
mod workload;

pub use authority::{MeshAuthority, MeshAuthorityError, create};
pub use workload::{WorkloadCertificate, WorkloadTags, identities};

#[cfg(test)]
mod tests;
