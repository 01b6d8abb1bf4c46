//! What a change does to the routes of a gateway.

use portolan_gateway::diff::{Change, diff};

use crate::support::{chart, redirecting, with_edge};

/// The diff as lines.
fn lines(before: &str, after: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let sign = |change: Change| match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    };
    for gateway in diff("default", &chart(before), &chart(after)) {
        let zones: Vec<_> = gateway.zones.iter().map(String::as_str).collect();
        lines.push(format!("{} in {}", gateway.gateway, zones.join(",")));
        for port in gateway.ports {
            lines.push(format!(
                "{} {} {}",
                sign(port.change),
                port.name,
                port.listeners.join("; ")
            ));
            for host in port.hosts {
                let counts = format!("{}->{}", host.routes_before, host.routes_after);
                lines.push(format!("{} {} {counts}", sign(host.change), host.hostname));
                for route in host.routes {
                    let was = route
                        .was
                        .map(|was| format!(" was {was}"))
                        .unwrap_or_default();
                    lines.push(format!(
                        "{} {} {}[{}] {} {}{was}",
                        sign(route.change),
                        route.position,
                        route.name,
                        route.rule,
                        route.conditions,
                        route.action
                    ));
                }
            }
        }
    }
    lines
}

#[test]
fn routes_that_come_go_and_change_are_told_with_their_positions() {
    let path = |value: &str| format!("[{{path: {{match: PREFIX, value: {value}}}}}]");
    let before = with_edge(
        &(redirecting("a", "", &path("/a"))
            + &redirecting("b", "", &path("/b"))
            + &redirecting("old", "", &path("/old"))),
    );
    let changed = redirecting("b", "", &path("/b")).replace("hostname: b,", "hostname: new,");
    let after = with_edge(
        &(redirecting("a", "", &path("/a"))
            + &changed
            + &redirecting("long", "", &path("/long/er"))),
    );
    assert_eq!(
        lines(&before, &after),
        [
            "edge in east",
            "~ edge:HTTP:8080 ",
            "~ * 3->3",
            "- 1 old[0] PREFIX /old redirect 302 host old",
            "+ 1 long[0] PREFIX /long/er redirect 302 host long",
            "~ 3 b[0] PREFIX /b redirect 302 host new was redirect 302 host b",
        ]
    );
    assert_eq!(lines(&before, &before), [""; 0]);
}

#[test]
fn rules_that_only_move_are_not_told() {
    let two = "[{path: {match: PREFIX, value: /a}}, {path: {match: PREFIX, value: /b}}]";
    let turned = "[{path: {match: PREFIX, value: /b}}, {path: {match: PREFIX, value: /a}}]";
    assert_eq!(
        lines(
            &with_edge(&redirecting("r", "", two)),
            &with_edge(&redirecting("r", "", turned))
        ),
        [""; 0]
    );
}

#[test]
fn listeners_hosts_and_gateways_come_and_go() {
    let route = redirecting("r", "hostnames: [r.test],", "[{method: GET}]");
    let before = with_edge("");
    let after = with_edge(&route).replace("{port: 8080, protocol: HTTP}", "{port: 8080, protocol: HTTP, resources: {connectionLimit: 9}}, {port: 8080, protocol: HTTP, hostname: a.test}, {port: 9090, protocol: HTTP}");
    let expected = [
        "edge in east",
        "~ edge:HTTP:8080 + hostname a.test; ~ connection limit 9 (was none)",
        "+ a.test 0->0",
        "+ r.test 0->1",
        "+ 1 r[0] PREFIX /, method GET redirect 302 host r",
        "+ edge:HTTP:9090 + hostname *",
        "+ r.test 0->1",
        "+ 1 r[0] PREFIX /, method GET redirect 302 host r",
        "+ * 0->0",
    ];
    assert_eq!(lines(&before, &after), expected);
    let turned: Vec<_> = lines(&after, "")
        .into_iter()
        .skip(1)
        .filter(|line| !line.starts_with('-'))
        .collect();
    assert_eq!(turned, [""; 0], "all of it goes");
}
