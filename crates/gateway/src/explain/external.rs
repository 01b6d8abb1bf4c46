//! External services behind a backend.

use portolan_model::tags::Tags;

use super::{
    answer::{BackendTaken, ExternalTaken},
    words::{self, tags},
};
use crate::{
    chart::{Chart, Fleet},
    plan::{
        destination::Destination,
        external::{External, Tls},
        permission::Permission,
        policy::Scope,
    },
};

/// The external services with the tags of a destination, for the gateway instances of a fleet.
pub(super) fn behind(
    chart: &Chart,
    fleet: &Fleet,
    destination: &Destination,
) -> Vec<ExternalTaken> {
    let externals = chart.externals();
    let taken = |external: &External| {
        let permission = externals.permission(external, &fleet.tags);
        let endpoint = external.endpoint.as_ref();
        ExternalTaken {
            name: external.author.display_name().to_owned(),
            address: match endpoint {
                Some(endpoint) => endpoint.to_string(),
                None => external.address.to_string(),
            },
            tls: endpoint.and_then(|one| one.tls.as_ref()).map(told),
            permitted: permission.is_given(),
            why: why(permission, &fleet.tags, &external.tags),
            broken: external
                .faults
                .iter()
                .map(|fault| format!("{}: {}", fault.field, fault.reason))
                .collect(),
        }
    };
    externals
        .of(destination)
        .map(|external| taken(external))
        .collect()
}

/// Addresses of those that may be reached, and can.
pub(super) fn endpoints(external: &[ExternalTaken]) -> Vec<String> {
    let serving = external
        .iter()
        .filter(|one| one.permitted && one.broken.is_empty());
    serving.map(|one| one.address.clone()).collect()
}

/// Why a backend has no endpoint, if it is because of its external services.
pub(super) fn lack(backends: &[BackendTaken]) -> Option<String> {
    let mut lacking = backends.iter().filter(|one| one.is_nowhere());
    let external = lacking.find_map(|backend| backend.external.first())?;
    let why = match external.broken.first() {
        Some(broken) if external.permitted => broken,
        _ => &external.why,
    };
    Some(format!("ExternalService {}: {why}", external.name))
}

fn told(tls: &Tls) -> String {
    let asked = match &tls.sni {
        Some(name) => format!("asks for {name}"),
        None => "asks for no name".to_owned(),
    };
    let checked = match tls.trust.as_ref().map(|trust| &trust.name) {
        Some(Some(name)) => format!("the certificate must be for {name}"),
        Some(None) => "the certificate may be for any name".to_owned(),
        None => "the certificate is not checked".to_owned(),
    };
    let shown = tls
        .client
        .as_ref()
        .map(|_| "shows a certificate".to_owned());
    let parts: Vec<_> = [asked, checked].into_iter().chain(shown).collect();
    parts.join(", ")
}

fn why(permission: Permission<'_>, source: &Tags, destination: &Tags) -> String {
    let nobody = |decides: &str| {
        let source = tags(source);
        format!("no TrafficPermission lets {source} reach it: {decides}")
    };
    match permission {
        Permission::Unguarded => "the mesh has no TrafficPermission".to_owned(),
        Permission::By(scope) => format!(
            "TrafficPermission {} lets it be reached{}",
            scope.author.display_name(),
            matched(scope, source, destination),
        ),
        Permission::ForOthers(scope) => {
            let name = scope.author.display_name();
            nobody(&format!("{name}, which decides, is for others"))
        }
        Permission::Nobody => nobody("none is for it"),
    }
}

fn matched(scope: &Scope, source: &Tags, destination: &Tags) -> String {
    let matched = words::matched(scope, source, destination);
    matched.map_or_else(String::new, |matched| format!(" {matched}"))
}
