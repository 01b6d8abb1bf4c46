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
    MESH_GATEWAY_INSTANCE = mesh_gateway_instance,
    DATAPLANE = dataplane,
    DATAPLANE_INSIGHT = dataplane_insight,
    ZONE = zone,
    ZONE_INSIGHT = zone_insight,
    ZONE_INGRESS = zone_ingress,
    ZONE_INGRESS_INSIGHT = zone_ingress_insight,
    SECRET = secret,
    GLOBAL_SECRET = global_secret,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kind::{Direction, Scope};

    /// Kuma's names of the kinds that its zones get from the global: kind, REST collection, what
    /// `kumactl` calls one, and whether it is a policy.
    const FROM_GLOBAL: [(&str, &str, &str, bool); 14] = [
        (
            "CircuitBreaker",
            "circuit-breakers",
            "circuit-breaker",
            true,
        ),
        (
            "ExternalService",
            "external-services",
            "external-service",
            false,
        ),
        (
            "FaultInjection",
            "fault-injections",
            "fault-injection",
            true,
        ),
        ("HealthCheck", "health-checks", "healthcheck", true),
        (
            "MeshGatewayRoute",
            "meshgatewayroutes",
            "meshgatewayroute",
            true,
        ),
        ("ProxyTemplate", "proxytemplates", "proxytemplate", true),
        ("RateLimit", "rate-limits", "rate-limit", true),
        ("Retry", "retries", "retry", true),
        ("Timeout", "timeouts", "timeout", true),
        ("TrafficLog", "traffic-logs", "traffic-log", true),
        (
            "TrafficPermission",
            "traffic-permissions",
            "traffic-permission",
            true,
        ),
        ("TrafficRoute", "traffic-routes", "traffic-route", true),
        ("TrafficTrace", "traffic-traces", "traffic-trace", true),
        (
            "VirtualOutbound",
            "virtual-outbounds",
            "virtual-outbound",
            true,
        ),
    ];

    #[test]
    fn kinds_of_meshes_from_the_global_are_called_as_in_kuma() {
        let mut kinds: Vec<Kind> = Kind::all()
            .filter(|kind| kind.scope == Scope::Mesh && !kind.keeps_name)
            .filter(|kind| kind.direction == Direction::GlobalToZone)
            .collect();
        kinds.sort();
        let names: Vec<_> = kinds
            .iter()
            .map(|kind| (kind.name(), kind.plural, kind.singular, kind.policy))
            .collect();
        assert_eq!(names, FROM_GLOBAL);
        for kind in kinds {
            assert_eq!(
                kind.spec_type_url(),
                format!("type.googleapis.com/kuma.mesh.v1alpha1.{kind}")
            );
        }
    }

    #[test]
    fn no_two_kinds_share_a_name() {
        let mut taken = BTreeSet::new();
        for kind in Kind::all() {
            let mut own = BTreeSet::from(
                [kind.name(), kind.plural, kind.singular]
                    .map(|name| name.to_ascii_lowercase().replace('-', "")),
            );
            if !kind.short.is_empty() {
                own.insert(kind.short.to_owned());
            }
            for name in own {
                assert!(taken.insert(name.clone()), "{kind}: {name}");
            }
        }
    }
}
