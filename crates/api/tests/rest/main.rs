//! The whole router, over a store in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may panic.

mod absent;
mod authorities;
mod bodies;
mod external;
mod gateways;
mod observed;
mod secrets;
mod support;
mod tokens;
mod troubles;
mod versions;
mod watches;
