//! Who may connect: a TrafficPermission as Envoy checks it, by the certificates that callers show.

use envoy_types::pb::envoy::{
    config::{
        listener::v3::Filter,
        rbac::v3::{
            Permission, Policy, Principal, Rbac as Rules, permission,
            principal::{self, Authenticated, Identifier},
            rbac::Action,
        },
    },
    extensions::filters::network::rbac::v3::Rbac,
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};
use portolan_model::tags::{ANY, SERVICE, Tags};

use super::{listener::network_filter, mtls};
use crate::plan::policy::Scope;

/// Lets the sources of a permission in, or nobody where there is none. Statistics begin with `name`.
pub(super) fn filter(name: &str, mesh: &str, permission: Option<&Scope>) -> Filter {
    let policies = permission.map(|permission| {
        let sources = permission.sources.iter();
        let policy = Policy {
            permissions: vec![Permission {
                rule: Some(permission::Rule::Any(true)),
            }],
            principals: sources.map(|source| principal(mesh, source)).collect(),
            ..Policy::default()
        };
        (permission.author.name().to_string(), policy)
    });
    let rbac = Rbac {
        rules: Some(Rules {
            action: Action::Allow.into(),
            policies: policies.into_iter().collect(),
            ..Rules::default()
        }),
        stat_prefix: format!("{}.", statistics_name(name)),
        ..Rbac::default()
    };
    network_filter(
        "envoy.filters.network.rbac",
        "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        &rbac,
    )
}

/// What a name is in statistics, where points and colons part words.
pub(super) fn statistics_name(name: &str) -> String {
    name.replace(['.', ':', '[', ']'], "_")
}

/// Callers whose certificate says all of these tags.
fn principal(mesh: &str, source: &Tags) -> Principal {
    let tags = source.iter().filter(|(_, value)| *value != ANY);
    let mut all: Vec<_> = tags
        .map(|(tag, value)| match &**tag {
            SERVICE => mtls::service_id(mesh, value),
            tag => MatchPattern::Exact(format!("kuma://{tag}/{value}")),
        })
        .map(|identity| of(Identifier::Authenticated(named(identity))))
        .collect();
    match all.len() {
        0 => of(Identifier::Any(true)),
        1 => all.remove(0),
        _ => of(Identifier::AndIds(principal::Set { ids: all })),
    }
}

fn of(identifier: Identifier) -> Principal {
    Principal {
        identifier: Some(identifier),
    }
}

fn named(identity: MatchPattern) -> Authenticated {
    Authenticated {
        principal_name: Some(StringMatcher {
            match_pattern: Some(identity),
            ..StringMatcher::default()
        }),
    }
}
