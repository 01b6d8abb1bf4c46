//! KDS over real sockets: a global on a memory store, and zones of several kinds.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod foreign_global;
mod insights;
mod many_zones;
mod runner;
mod support;
