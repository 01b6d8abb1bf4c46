//! Whom members of a mesh with mutual TLS let in.

use std::net::SocketAddr;

use super::{
    answer::{AdmissionTaken, BackendTaken},
    words::tags,
};
use crate::{
    chart::{Chart, Fleet},
    plan::{dataplane::Instance, permission::Permission},
};

/// What instances of one backend say, one for each reason.
#[derive(Default)]
pub(super) struct Admissions {
    taken: Vec<AdmissionTaken>,
}

impl Admissions {
    /// Asks one instance, which is reached at `address`.
    pub(super) fn add(
        &mut self,
        chart: &Chart,
        fleet: &Fleet,
        instance: &Instance,
        address: &SocketAddr,
    ) {
        let Some(permission) = chart.admission(fleet, instance) else {
            return;
        };
        let why = why(permission, fleet);
        let position = self.taken.iter().position(|one| one.why == why);
        let position = position.unwrap_or_else(|| {
            self.taken.push(AdmissionTaken {
                permitted: permission.is_given(),
                why,
                endpoints: Vec::new(),
                more_endpoints: 0,
            });
            self.taken.len() - 1
        });
        self.taken[position].endpoints.push(address.to_string());
    }

    /// What they say, each with at most so many addresses.
    pub(super) fn told(mut self, most: usize) -> Vec<AdmissionTaken> {
        for one in &mut self.taken {
            one.more_endpoints = one.endpoints.len().saturating_sub(most);
            one.endpoints.truncate(most);
        }
        self.taken
    }
}

/// Why no instance of a backend lets the gateway in, if none does.
pub(super) fn denial(backend: &BackendTaken) -> Option<&str> {
    let first = backend.admissions.first()?;
    let all = backend.admissions.iter().all(|one| !one.permitted);
    all.then_some(&*first.why)
}

fn why(permission: Permission<'_>, fleet: &Fleet) -> String {
    let source = || tags(&fleet.tags);
    match permission {
        // Members of a mesh that has none ask too.
        Permission::Unguarded => String::new(),
        Permission::By(scope) => {
            format!(
                "TrafficPermission {} lets it in",
                scope.author.display_name()
            )
        }
        Permission::ForOthers(scope) => {
            let name = scope.author.display_name();
            format!(
                "denied by TrafficPermission {name}, which decides there and is not for {}",
                source()
            )
        }
        Permission::Nobody => format!(
            "denied, as no TrafficPermission is for it: {} may not",
            source()
        ),
    }
}
