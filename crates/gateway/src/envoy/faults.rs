//! Faults on the routes of one host.
//!
//! Envoy builds what a filter does on a route anew for each route and with each table, which for faults
//! costs it more than the route itself. So what most routes say stands once, on their host, and only the
//! others say what is different.

use std::{collections::HashMap, ptr, sync::Arc};

use envoy_types::pb::envoy::config::route::v3::FilterConfig;

use super::{
    policy::{self, HttpFilter, ON_HOST, ON_ROUTE, fault_injection},
    writer::Writer,
};
use crate::plan::{
    action::Action,
    policy::{FaultInjection, Policy},
    table::Route,
};

/// What switches the filter off.
const OFF: HttpFilter = HttpFilter {
    name: fault_injection::FILTER.name,
    type_url: "type.googleapis.com/envoy.config.route.v3.FilterConfig",
};

/// A policy as a key: the same resource in the same version.
type Id = *const Policy<FaultInjection>;

/// The faults of the routes of one host.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Fields of the host.
    on_host: Box<[u8]>,
    /// Fields of a route, by its policy.
    on_routes: HashMap<Option<Id>, Box<[u8]>>,
}

impl Faults {
    pub(super) fn of(routes: &[Arc<Route>]) -> Self {
        let mut counts: HashMap<Id, (usize, &Policy<FaultInjection>)> = HashMap::new();
        for policy in routes.iter().filter_map(|route| injected(route)) {
            counts.entry(ptr::from_ref(policy)).or_insert((0, policy)).0 += 1;
        }
        let common = counts
            .iter()
            .find(|(_, (count, _))| count * 2 > routes.len());
        let common = common.map(|(id, (_, policy))| (*id, *policy));
        let differs = |id: &Id| common.is_none_or(|(common, _)| common != *id);
        let mut on_routes: HashMap<_, _> = counts
            .iter()
            .filter(|(id, _)| differs(id))
            .map(|(id, (_, policy))| (Some(*id), fields(ON_ROUTE, policy)))
            .collect();
        if common.is_some() {
            on_routes.insert(None, off());
        }
        Self {
            on_host: common
                .map(|(_, policy)| fields(ON_HOST, policy))
                .unwrap_or_default(),
            on_routes,
        }
    }

    /// Fields of the virtual host; empty if most of its routes have no faults or different ones.
    pub(super) fn on_host(&self) -> &[u8] {
        &self.on_host
    }

    /// Fields of a route; nothing if what its host says is right for it.
    pub(super) fn on_route(&self, route: &Route) -> Option<&[u8]> {
        if self.on_routes.is_empty() {
            return None;
        }
        let id = injected(route).map(ptr::from_ref);
        self.on_routes.get(&id).map(|fields| &**fields)
    }
}

/// What goes to a backend may go wrong; what is redirected goes to none.
fn injected(route: &Route) -> Option<&Policy<FaultInjection>> {
    match &*route.entry.action {
        Action::Forward(_) => route.chosen.fault_injection_here(),
        Action::Redirect(_) => None,
    }
}

fn fields(field: u32, policy: &Policy<FaultInjection>) -> Box<[u8]> {
    let mut out = Writer::default();
    let faults = fault_injection::on_route(&policy.conf);
    policy::per_filter(field, fault_injection::FILTER, &faults, &mut out);
    out.finish()
}

fn off() -> Box<[u8]> {
    let mut out = Writer::default();
    let disabled = FilterConfig {
        disabled: true,
        ..FilterConfig::default()
    };
    policy::per_filter(ON_ROUTE, OFF, &disabled, &mut out);
    out.finish()
}
