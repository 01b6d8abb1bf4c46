//! Types generated from `proto/`: the specs of resources, KDS, the discovery messages of xDS and the
//! status stream, so that REST JSON, KDS wire and store share one type and nothing is converted by hand.
//!
//! Module names follow the protobuf packages. Specs carry their proto3 JSON form as `serde`
//! implementations; unknown JSON fields are skipped, as Kuma does.

#![allow(missing_docs, unreachable_pub, clippy::all)]

mod duration;
mod float_value;
mod structure;
mod timestamp;

/// Well-known types (`Duration`, `Any`, `Struct`, wrappers) with their proto3 JSON form.
pub mod well_known {
    pub use pbjson_types::*;

    pub use crate::{
        duration::Duration,
        float_value::FloatValue,
        structure::{ListValue, Struct, Value, value},
        timestamp::Timestamp,
    };
}

pub mod kuma {
    pub mod mesh {
        pub mod v1alpha1 {
            include!(concat!(env!("OUT_DIR"), "/kuma.mesh.v1alpha1.rs"));
            include!(concat!(env!("OUT_DIR"), "/kuma.mesh.v1alpha1.serde.rs"));
        }
    }

    pub mod system {
        pub mod v1alpha1 {
            include!(concat!(env!("OUT_DIR"), "/kuma.system.v1alpha1.rs"));
            include!(concat!(env!("OUT_DIR"), "/kuma.system.v1alpha1.serde.rs"));
        }
    }
}

pub mod envoy {
    pub mod service {
        pub mod discovery {
            pub mod v3 {
                include!(concat!(env!("OUT_DIR"), "/envoy.service.discovery.v3.rs"));
            }
        }
    }
}

pub mod portolan {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/portolan.v1.rs"));
        include!(concat!(env!("OUT_DIR"), "/portolan.v1.serde.rs"));
    }
}

/// `envoy.service.discovery.v3`
pub use envoy::service::discovery::v3 as discovery;
/// `kuma.mesh.v1alpha1`
pub use kuma::mesh::v1alpha1 as mesh;
/// `kuma.system.v1alpha1`
pub use kuma::system::v1alpha1 as system;
/// `portolan.v1`
pub use portolan::v1 as status;

impl std::fmt::Debug for system::Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret { (hidden) }")
    }
}

/// What stands in a resource may be a private key.
impl std::fmt::Debug for system::DataSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataSource { (hidden) }")
    }
}
