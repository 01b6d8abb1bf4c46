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
    CIRCUIT_BREAKER = circuit_breaker,
    EXTERNAL_SERVICE = external_service,
    FAULT_INJECTION = fault_injection,
    HEALTH_CHECK = health_check,
    PROXY_TEMPLATE = proxy_template,
    RATE_LIMIT = rate_limit,
    RETRY = retry,
    TRAFFIC_LOG = traffic_log,
    TRAFFIC_PERMISSION = traffic_permission,
    TRAFFIC_TRACE = traffic_trace,
    TRAFFIC_ROUTE = traffic_route,
    VIRTUAL_OUTBOUND = virtual_outbound,
    DATAPLANE = dataplane,
    DATAPLANE_INSIGHT = dataplane_insight,
    ZONE = zone,
    ZONE_INSIGHT = zone_insight,
    SECRET = secret,
    GLOBAL_SECRET = global_secret,
}
