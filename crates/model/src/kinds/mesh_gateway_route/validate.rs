//! What a MeshGatewayRoute must fulfil. The names of fields in paths are Kuma's.

mod filters;
mod matches;

use bytes::Bytes;
use prost::Message;

use crate::{
    hostname::Hostname,
    proto::mesh::{
        MeshGatewayRoute,
        mesh_gateway_route::{
            Backend, HttpRoute, TcpRoute,
            conf::Route,
            http_route::{Rule, filter::Filter},
        },
    },
    validation::{
        Violations,
        tags::{self, Values, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(route) = MeshGatewayRoute::decode(spec.clone()) else { return violations };
    tags::selectors(&mut violations, "selectors", &route.selectors, Wanted::Service);
    match route.conf.and_then(|conf| conf.route) {
        None => violations.add("conf", "cannot be empty"),
        Some(Route::Http(http)) => validate_http(&mut violations, &http),
        Some(Route::Tcp(tcp)) => validate_tcp(&mut violations, &tcp),
    }
    violations
}

fn validate_tcp(violations: &mut Violations, tcp: &TcpRoute) {
    for (position, rule) in tcp.rules.iter().enumerate() {
        backends(violations, &format!("conf.tcp.rules[{position}]"), &rule.backends);
    }
}

fn validate_http(violations: &mut Violations, http: &HttpRoute) {
    for (position, hostname) in http.hostnames.iter().enumerate() {
        if Hostname::parse(hostname).is_err() {
            violations.add(format!("conf.http.hostnames[{position}]"), "invalid hostname");
        }
    }
    if http.rules.is_empty() {
        violations.add("conf.http.rules", "cannot be empty");
    }
    for (position, rule) in http.rules.iter().enumerate() {
        validate_rule(violations, &format!("conf.http.rules[{position}]"), rule);
    }
}

fn validate_rule(violations: &mut Violations, field: &str, rule: &Rule) {
    if rule.matches.is_empty() {
        violations.add(format!("{field}.matches"), "cannot be empty");
        return;
    }
    for (position, one) in rule.matches.iter().enumerate() {
        matches::validate(violations, &format!("{field}.matches[{position}]"), one);
    }
    let context = filters::Context::of(rule);
    for (position, filter) in rule.filters.iter().enumerate() {
        filters::validate(violations, &format!("{field}.filters[{position}]"), filter, context);
    }
    let redirects =
        rule.filters.iter().any(|filter| matches!(filter.filter, Some(Filter::Redirect(_))));
    if redirects && rule.filters.len() != 1 {
        violations.add(format!("{field}.filters"), "redirects cannot be used with other filters");
        return;
    }
    match (redirects, rule.backends.is_empty()) {
        (false, true) => violations.add(format!("{field}.backends"), "cannot be empty"),
        (true, false) => violations
            .add(format!("{field}.backends"), "must be empty when using redirect filters"),
        _ => {}
    }
    backends(violations, field, &rule.backends);
}

fn backends(violations: &mut Violations, field: &str, backends: &[Backend]) {
    for (position, one) in backends.iter().enumerate() {
        backend(violations, &format!("{field}.backends[{position}]"), one);
    }
    // One backend of weight 0 counts as 1; several of weight 0 would get nothing at all.
    if backends.len() > 1 && backends.iter().all(|backend| backend.weight == 0) {
        violations.add(format!("{field}.backends"), "at least one weight must be greater than 0");
    }
}

fn backend(violations: &mut Violations, field: &str, backend: &Backend) {
    if backend.destination.is_empty() {
        violations.add(field, "must have at least one tag");
    }
    tags::of_service(violations, field, &backend.destination, Values::GATEWAY);
}
