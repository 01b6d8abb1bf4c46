//! The service as proxies meet it: over a socket, by a plain client and by a real Envoy.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backend;
mod control;
mod envoy;
mod resources;
mod socket;
