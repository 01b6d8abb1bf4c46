//! What a TrafficRoute must fulfil.

mod matches;
mod modify;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::{
        TrafficRoute,
        traffic_route::{Conf, Http, LoadBalancer, Split, load_balancer::LbType},
    },
    tags::Tags,
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// Hash functions that Envoy has.
const HASH_FUNCTIONS: [&str; 2] = ["XX_HASH", "MURMUR_HASH_2"];

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(route) = TrafficRoute::decode(spec.clone()) else { return violations };
    let (sources, destinations) = (&route.sources, &route.destinations);
    tags::ends(&mut violations, (sources, Wanted::Service), (destinations, Wanted::ServiceAlone));
    match &route.conf {
        None => violations.add("conf", "cannot be empty"),
        Some(conf) => validate_conf(&mut violations, conf),
    }
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    validate_target(violations, "conf", &conf.split, &conf.destination);
    for (position, http) in conf.http.iter().enumerate() {
        validate_http(violations, &format!("conf.http[{position}]"), http);
    }
    if let Some(balancer) = &conf.load_balancer {
        validate_load_balancer(violations, balancer);
    }
}

fn validate_http(violations: &mut Violations, field: &str, http: &Http) {
    let prefix = matches::prefix(http.r#match.as_ref());
    matches::validate(violations, &format!("{field}.match"), http.r#match.as_ref());
    if let Some(modify) = &http.modify {
        modify::validate(violations, &format!("{field}.modify"), modify, prefix);
    }
    validate_target(violations, field, &http.split, &http.destination);
}

fn validate_target(violations: &mut Violations, field: &str, split: &[Split], destination: &Tags) {
    match (split.is_empty(), destination.is_empty()) {
        (true, true) => violations.add(field, r#"requires either "destination" or "split""#),
        (false, false) => violations
            .add(field, r#""split" cannot be defined at the same time as "destination""#),
        _ => {}
    }
    if !split.is_empty() {
        validate_split(violations, &format!("{field}.split"), split);
    }
    if !destination.is_empty() {
        let field = format!("{field}.destination");
        tags::selector(violations, &field, destination, Wanted::Service);
    }
}

fn validate_split(violations: &mut Violations, field: &str, split: &[Split]) {
    for (position, one) in split.iter().enumerate() {
        let field = format!("{field}[{position}]");
        if one.weight.is_none() {
            violations.add(format!("{field}.weight"), "needs to be defined");
        }
        let field = format!("{field}.destination");
        tags::selector(violations, &field, &one.destination, Wanted::Service);
    }
    let weighs = |one: &Split| one.weight.as_ref().is_some_and(|weight| weight.value > 0);
    if !split.iter().any(weighs) {
        violations.add(field, "there must be at least one split entry with weight above 0");
    }
}

fn validate_load_balancer(violations: &mut Violations, balancer: &LoadBalancer) {
    match &balancer.lb_type {
        Some(LbType::LeastRequest(least)) if least.choice_count == 1 => violations.add(
            "conf.loadBalancer.leastRequest.choiceCount",
            "value must be greater than or equal to 2",
        ),
        Some(LbType::RingHash(ring))
            if !HASH_FUNCTIONS.contains(&ring.hash_function.as_str()) =>
        {
            violations
                .add("conf.loadBalancer.ringHash.hashFunction", "must have a valid hash function");
        }
        _ => {}
    }
}
