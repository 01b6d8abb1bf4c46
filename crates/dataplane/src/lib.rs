//! Data planes: what an Envoy starts with, and who starts it.
//!
//! ```text
//!   zone control plane                            machine of the proxy
//!   ──────────────────                            ────────────────────
//!                          POST /bootstrap
//!   bootstrap::render ◀───────────────────────── run ◀── Dataplane, token, CA
//!          │                                      │
//!          └── Envoy's configuration ───────────▶ │ starts, watches, restarts, drains
//!                                                 ▼
//!   ADS ◀──────────────────────────────────────  Envoy ◀── envoy::find_or_install
//! ```
//!
//! [`bootstrap`] is the zone's half, a pure function; [`run`] and [`envoy`] are the proxy's half. The
//! zone registers the Dataplane from the node metadata when Envoy opens its ADS stream, so the proxy's
//! half tells it nothing more.

pub mod bootstrap;
pub mod envoy;
pub mod run;
