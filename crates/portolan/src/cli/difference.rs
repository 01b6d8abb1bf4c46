//! What a change would do to gateways, as lines with a sign in front.

use std::fmt::Write;

use portolan_gateway::diff::{Change, GatewayDiff, HostDiff, RouteDiff};

/// The diff for people; says so if nothing differs.
pub(crate) fn shown(gateways: &[GatewayDiff]) -> String {
    let mut text = String::new();
    for gateway in gateways {
        let zones: Vec<_> = gateway.zones.iter().map(String::as_str).collect();
        let zones = match zones.as_slice() {
            [] => "no instances".to_owned(),
            zones => format!("in {}", zones.join(", ")),
        };
        let _ = writeln!(
            text,
            "\nMeshGateway {}/{} {zones}",
            gateway.mesh, gateway.gateway
        );
        for port in &gateway.ports {
            let _ = writeln!(text, "{} listener {}", sign(port.change), port.name);
            for words in port.listeners.iter().chain(&port.connections) {
                let (sign, what) = words.split_once(' ').unwrap_or(("", words));
                let _ = writeln!(text, "{sign}   {what}");
            }
            port.hosts.iter().for_each(|diff| host(&mut text, diff));
        }
    }
    if text.is_empty() {
        text.push_str("\nNo gateway's listeners, hosts or routes change.\n");
    }
    text
}

fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn host(text: &mut String, host: &HostDiff) {
    let (before, after) = (host.routes_before, host.routes_after);
    let sni = host.sni.as_ref().map(|sni| format!(" of listener {sni}"));
    let _ = writeln!(
        text,
        "{}   host {}{} ({before} -> {after} routes)",
        sign(host.change),
        host.hostname,
        sni.unwrap_or_default()
    );
    host.routes.iter().for_each(|diff| route(text, diff));
    if host.more_routes > 0 {
        let _ = writeln!(text, "      {} more routes differ", host.more_routes);
    }
}

fn route(text: &mut String, route: &RouteDiff) {
    let place = format!("{} rule {}", route.name, route.rule);
    let (position, conditions) = (route.position, &route.conditions);
    let _ = writeln!(
        text,
        "{} {position:>5}. {conditions}: {} [{place}]",
        sign(route.change),
        route.action
    );
    if let Some(was) = &route.was {
        let _ = writeln!(text, "         was {was}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_reads_like_one() {
        let diff = json!([{
            "mesh": "default", "gateway": "edge", "zones": ["east", "west"],
            "ports": [{"name": "edge:HTTP:8080", "change": "changed", "listeners": ["+ hostname a.test"],
                "hosts": [{"hostname": "*", "change": "changed", "routesBefore": 2, "routesAfter": 2, "routes": [
                    {"change": "removed", "position": 1, "name": "old", "rule": 0, "conditions": "PREFIX /old", "action": "to a (weight 1)"},
                    {"change": "changed", "position": 2, "name": "b", "rule": 1, "conditions": "PREFIX /", "action": "to b (weight 1)", "was": "to a (weight 1)"},
                ]}]}],
        }]);
        let expected = "
MeshGateway default/edge in east, west
~ listener edge:HTTP:8080
+   hostname a.test
~   host * (2 -> 2 routes)
-     1. PREFIX /old: to a (weight 1) [old rule 0]
~     2. PREFIX /: to b (weight 1) [b rule 1]
         was to a (weight 1)
";
        let gateways: Vec<GatewayDiff> = serde_json::from_value(diff).unwrap();
        assert_eq!(shown(&gateways), expected);
        assert!(shown(&[]).contains("No gateway"));
    }
}
