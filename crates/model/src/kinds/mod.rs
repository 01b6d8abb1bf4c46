//! The registry: one module and one line for each kind.

use crate::kind::{Descriptor, Kind};

macro_rules! kinds {
    ($($name:ident = $module:ident),* $(,)?) => {
        $(pub mod $module;)*

        /// Every kind that Portolan knows.
        pub static KINDS: &[&Descriptor] = &[$(&$module::DESCRIPTOR),*];

        $(#[doc = concat!("The kind of [`", stringify!($module), "`].")]
        pub const $name: Kind = Kind(&$module::DESCRIPTOR);)*
    };
}

kinds! {
    MESH = mesh,
    MESH_GATEWAY = mesh_gateway,
    MESH_GATEWAY_ROUTE = mesh_gateway_route,
    TIMEOUT = timeout,
    DATAPLANE = dataplane,
    DATAPLANE_INSIGHT = dataplane_insight,
    ZONE = zone,
    ZONE_INSIGHT = zone_insight,
    SECRET = secret,
    GLOBAL_SECRET = global_secret,
}
