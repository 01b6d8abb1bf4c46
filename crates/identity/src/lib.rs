//! Who is who: certificates, TLS configurations and tokens.
//!
//! ```text
//!   ca::Authority ──issue──▶ IssuedCertificate ──▶ tls::server_config ──▶ the control plane's ports
//!        │ cert_pem()
//!        └──▶ tls::Trust::Authority ──▶ tls::client_config ──▶ zones, data planes, CLI
//!
//!   tokens::SigningKey ──issue_dataplane──▶ token ──▶ tokens::Verifier ──▶ claims ──▶ check against the proxy
//!
//!   tickets::TicketKeys ──▶ keys of TLS session tickets, by SDS
//!
//!   mesh::create ──▶ Secrets ──▶ mesh::MeshAuthority ──issue──▶ certificates of workloads, by SDS
//! ```
//!
//! The certificate authority is self-made at the first start and lives in a folder that the caller
//! names; so do signing keys. Nothing here is global: each TLS configuration names its crypto provider
//! itself. What must stay secret is a [`Secret`], which no log and no `Debug` shows.

pub mod ca;
pub mod files;
pub mod mesh;
mod secret;
pub mod tickets;
pub mod tls;
pub mod tokens;

pub use secret::Secret;
