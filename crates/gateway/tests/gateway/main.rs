//! Tests of the compiler as its users see it: resources in, plans or Envoy's messages out.

// A test that cannot go on ends there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod certificates;
mod cross_mesh;
mod delegated;
mod descriptors;
mod diff;
mod documented;
mod endpoints;
mod envoy;
mod explain;
mod external;
mod faults;
mod generate;
mod golden;
mod histories;
mod hosts;
mod layout;
mod lint;
mod members;
mod order;
mod policies;
mod protocols;
mod reference;
mod seeds;
mod selection;
mod sharing;
mod support;
mod supported;
mod trees;
mod valid;
mod zones;
