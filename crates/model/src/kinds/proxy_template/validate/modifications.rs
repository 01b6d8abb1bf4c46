//! Modifications of a ProxyTemplate.

use super::needs;
use crate::{
    proto::mesh::proxy_template::{
        Modifications,
        modifications::{HttpFilter, NetworkFilter, Type},
    },
    validation::Violations,
};

/// What can be done with clusters, listeners and virtual hosts.
const ON_RESOURCES: &str = r#"invalid operation. Available operations: "add", "patch", "remove""#;
/// What can be done with filters.
const ON_FILTERS: &str = concat!(
    "invalid operation. Available operations: ",
    r#""addFirst", "addLast", "addBefore", "addAfter", "patch", "remove""#,
);

/// All that is wrong with one.
pub(super) fn validate(violations: &mut Violations, field: &str, one: &Modifications) {
    match &one.r#type {
        // Kuma takes it, and does nothing.
        None => violations.add(field, "cannot be empty"),
        Some(Type::Cluster(cluster)) => Resource {
            field: &format!("{field}.cluster"),
            operation: &cluster.operation,
            value: &cluster.value,
            match_to_add: cluster.r#match.as_ref().map(|_| "match"),
        }
        .validate(violations),
        Some(Type::Listener(listener)) => Resource {
            field: &format!("{field}.listener"),
            operation: &listener.operation,
            value: &listener.value,
            match_to_add: listener.r#match.as_ref().map(|_| "match"),
        }
        .validate(violations),
        Some(Type::VirtualHost(host)) => Resource {
            field: &format!("{field}.virtualHost"),
            operation: &host.operation,
            value: &host.value,
            // Where to add it is told by the other fields.
            match_to_add: host
                .r#match
                .as_ref()
                .filter(|matched| !matched.name.is_empty())
                .map(|_| "match.name"),
        }
        .validate(violations),
        Some(Type::NetworkFilter(NetworkFilter { r#match, operation, value })) => Filter {
            field: &format!("{field}.networkFilter"),
            operation,
            value,
            name: r#match.as_ref().map_or("", |matched| &matched.name),
        }
        .validate(violations),
        Some(Type::HttpFilter(HttpFilter { r#match, operation, value })) => Filter {
            field: &format!("{field}.httpFilter"),
            operation,
            value,
            name: r#match.as_ref().map_or("", |matched| &matched.name),
        }
        .validate(violations),
    }
}

/// A modification of a cluster, listener or virtual host.
struct Resource<'a> {
    field: &'a str,
    operation: &'a str,
    value: &'a str,
    /// The field, if there is one, that has no meaning for what is new.
    match_to_add: Option<&'a str>,
}

impl Resource<'_> {
    fn validate(&self, violations: &mut Violations) {
        let Self { field, operation, value, match_to_add } = *self;
        match operation {
            "add" => {
                if let Some(part) = match_to_add {
                    violations.add(format!("{field}.{part}"), "cannot be defined");
                }
                needs(violations, format!("{field}.value"), value, Some("name"));
            }
            "patch" => needs(violations, format!("{field}.value"), value, None),
            "remove" => {}
            _ => violations.add(format!("{field}.operation"), ON_RESOURCES),
        }
    }
}

/// A modification of a network filter or an HTTP filter.
struct Filter<'a> {
    field: &'a str,
    operation: &'a str,
    value: &'a str,
    /// The filter that is chosen, empty for any.
    name: &'a str,
}

impl Filter<'_> {
    fn validate(&self, violations: &mut Violations) {
        let Self { field, operation, value, name } = *self;
        let needs_name = match operation {
            "addBefore" => {
                "cannot be empty. You need to pick a filter before which this one will be added"
            }
            "addAfter" => {
                "cannot be empty. You need to pick a filter after which this one will be added"
            }
            "patch" => "cannot be empty",
            "addFirst" | "addLast" => "",
            "remove" => return,
            _ => {
                violations.add(format!("{field}.operation"), ON_FILTERS);
                return;
            }
        };
        if name.is_empty() && !needs_name.is_empty() {
            violations.add(format!("{field}.match.name"), needs_name);
        }
        let part = (operation != "patch").then_some("name");
        needs(violations, format!("{field}.value"), value, part);
    }
}
