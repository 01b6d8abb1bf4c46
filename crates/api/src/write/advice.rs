//! What the author of a resource should know of its kind.

use portolan_model::{Kind, kinds};

/// Kinds that only sidecars use.
const OF_SIDECARS: [(Kind, &str); 2] = [
    (
        kinds::TRAFFIC_ROUTE,
        "gateways do not use TrafficRoutes, only sidecars do: what goes through a gateway follows its \
         MeshGatewayRoutes",
    ),
    (
        kinds::VIRTUAL_OUTBOUND,
        "gateways do not use VirtualOutbounds, only sidecars with transparent proxying do",
    ),
];

/// Said on the answer to each write of the kind.
pub(crate) fn of(kind: Kind) -> Option<&'static str> {
    let found = OF_SIDECARS
        .iter()
        .find(|(of_sidecars, _)| *of_sidecars == kind);
    found.map(|(_, advice)| *advice)
}
