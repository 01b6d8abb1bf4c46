//! What a resource will not do, though it may be written: said when it is written, never refused.
//!
//! Looking at one resource costs what it is itself made of, not how many others there are: a route is compared
//! with those of the same hostname and path alone, and with at most a few dozen of these.

mod shadow;
mod spots;

use std::{collections::BTreeSet, sync::Arc};

use portolan_model::{
    ResourceKey,
    kinds::{EXTERNAL_SERVICE, MESH_GATEWAY, MESH_GATEWAY_ROUTE},
    tags::{self, Tags},
};

pub(crate) use spots::Spots;

use crate::{
    chart::Chart,
    explain::words,
    fault::{Fault, Reason},
    plan::{
        entry::Entry,
        external::External,
        gateway::Gateway,
        port::{Chain, Listener, Port, Protocol},
        route::HttpRoute,
        tcp::TcpRoute,
    },
};

/// Most warnings of one resource.
const MOST_WARNINGS: usize = 20;

/// Something that the author of a resource should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Warning {
    /// The resource.
    pub resource: ResourceKey,
    /// The part that it is about.
    pub field: String,
    /// What is the matter.
    pub problem: Problem,
}

/// What can be the matter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The part is not in any configuration.
    #[error("left out: {0}")]
    LeftOut(String),
    /// No listener's tags match.
    #[error("no listener of any MeshGateway has these tags, so the route takes no requests")]
    NoListener,
    /// Listeners' tags match, what they speak does not.
    #[error(
        "only listeners for {0} have these tags, which take no {1} rules, so the route takes nothing"
    )]
    OtherProtocol(String, &'static str),
    /// Listeners' tags match, their hostnames do not.
    #[error("no listener that the route selects takes {0}")]
    NoHost(String),
    /// No instance of a backend anywhere.
    #[error("no zone has an instance of {0}, so its requests get 503")]
    NoInstances(String),
    /// The same where no requests are read.
    #[error("no zone has an instance of {0}, so its connections are closed")]
    NoInstancesForConnections(String),
    /// External services that are closed to everybody who is sent there.
    #[error(
        "no TrafficPermission lets any gateway with this route reach {0}, so nothing is served there"
    )]
    NotPermitted(String),
    /// A certificate that cannot be had.
    #[error("connections to port {port} for {hostname} are closed: {reason}")]
    NoCertificate {
        /// The port.
        port: u16,
        /// The listener's hostname.
        hostname: String,
        /// Why there is none.
        reason: Reason,
    },
    /// An external service that anybody on the way can pass for.
    #[error(
        "the certificate is not checked, so anybody on the way can pass for the service; name the authority that issued it in networking.tls.caCert"
    )]
    Unchecked,
    /// Another rule takes all requests.
    #[error("never takes a request: {by} takes all of them before ({conditions})")]
    Shadowed {
        /// The other rule.
        by: String,
        /// What it asks.
        conditions: String,
    },
    /// No gateway instance runs the MeshGateway.
    #[error("no BUILTIN gateway Dataplane of any zone has these tags, so nothing listens")]
    NoDataplane,
    /// All that could run it run another.
    #[error(
        "the Dataplanes with these tags run MeshGateway {0}, whose selectors are more specific or which is newer"
    )]
    Outranked(String),
    /// More of the same.
    #[error("there are {0} more warnings")]
    More(usize),
}

/// What is to be said of one MeshGateway, MeshGatewayRoute or ExternalService as it stands in the chart; nothing of other
/// resources.
pub fn lint_of(chart: &Chart, key: &ResourceKey) -> Vec<Warning> {
    let mut found = Findings {
        resource: key,
        warnings: Vec::new(),
    };
    if key.kind == MESH_GATEWAY
        && let Some(gateway) = chart.gateway(&key.name)
    {
        found.gateway(chart, gateway);
    } else if key.kind == MESH_GATEWAY_ROUTE
        && let Some(route) = chart.routes.get(&key.name)
    {
        found.route(chart, route);
    } else if key.kind == MESH_GATEWAY_ROUTE
        && let Some(route) = chart.tcp_routes.get(&key.name)
    {
        found.tcp_route(chart, route);
    } else if key.kind == EXTERNAL_SERVICE
        && let Some(external) = chart.externals().named(&key.name)
    {
        found.external(external);
    }
    found.finish()
}

/// What is to be said of everything in a mesh.
pub fn lint(chart: &Chart, mesh: &str) -> Vec<Warning> {
    let gateways = chart
        .gateways()
        .map(|(name, _)| (MESH_GATEWAY, name.clone()));
    let routes: BTreeSet<_> = chart.routes.keys().chain(chart.tcp_routes.keys()).collect();
    let routes = routes
        .into_iter()
        .map(|name| (MESH_GATEWAY_ROUTE, name.clone()));
    let externals = chart.externals().names();
    let externals = externals.map(|name| (EXTERNAL_SERVICE, name.clone()));
    let keys = gateways.chain(routes).chain(externals);
    keys.flat_map(|(kind, name)| lint_of(chart, &ResourceKey::in_mesh(kind, mesh, name)))
        .collect()
}

struct Findings<'a> {
    resource: &'a ResourceKey,
    warnings: Vec<Warning>,
}

impl Findings<'_> {
    fn add(&mut self, field: impl Into<String>, problem: Problem) {
        self.warnings.push(Warning {
            resource: self.resource.clone(),
            field: field.into(),
            problem,
        });
    }

    fn left_out<'a>(&mut self, faults: impl IntoIterator<Item = &'a Fault>) {
        let faults: BTreeSet<&Fault> = faults.into_iter().collect();
        for fault in faults {
            self.add(&fault.field, Problem::LeftOut(fault.reason.to_string()));
        }
    }

    fn finish(mut self) -> Vec<Warning> {
        let more = self.warnings.len().saturating_sub(MOST_WARNINGS);
        if more > 0 {
            self.warnings.truncate(MOST_WARNINGS);
            self.add("", Problem::More(more));
        }
        self.warnings
    }

    fn gateway(&mut self, chart: &Chart, gateway: &Arc<Gateway>) {
        let mut outranked = None;
        let mut runs = false;
        for fleet in chart.fleets() {
            let selected = gateway
                .selectors()
                .any(|selector| tags::matches(selector, &fleet.tags));
            match &fleet.gateway {
                Some(own) if own.key == gateway.key => runs = true,
                Some(other) if selected => outranked = Some(other.name.to_string()),
                _ => {}
            }
        }
        for fleet in chart.fleets_of(gateway) {
            self.left_out(&fleet.faults);
            for port in &fleet.ports {
                for chain in &port.chains {
                    self.closed(chart, gateway, port, chain);
                }
            }
        }
        match outranked {
            _ if runs => {}
            Some(other) => self.add("selectors", Problem::Outranked(other)),
            None => self.add("selectors", Problem::NoDataplane),
        }
        // Fleets of several zones leave out the same.
        let mut seen = Vec::new();
        self.warnings.retain(|warning| {
            let new = !seen.contains(warning);
            if new {
                seen.push(warning.clone());
            }
            new
        });
    }

    fn external(&mut self, external: &External) {
        self.left_out(&external.faults);
        let tls = external.endpoint.as_ref().and_then(|one| one.tls.as_ref());
        if tls.is_some_and(|tls| tls.trust.is_none()) {
            self.add("networking.tls", Problem::Unchecked);
        }
    }

    fn closed(&mut self, chart: &Chart, gateway: &Gateway, port: &Port, chain: &Chain) {
        for fault in chart.missing_certificates(Some(gateway), chain) {
            let problem = Problem::NoCertificate {
                port: port.number,
                hostname: chain.hostname.to_string(),
                reason: fault.reason,
            };
            self.add(fault.field, problem);
        }
    }

    /// The listeners that a route with such tags and rules belongs to; says so if there are none.
    fn bound<'a>(
        &mut self,
        chart: &'a Chart,
        rules: &'static str,
        selects: impl Fn(&Tags) -> bool,
    ) -> Vec<&'a Arc<Listener>> {
        let selected = chart.listeners().iter();
        let selected: Vec<_> = selected.filter(|(_, one)| selects(&one.tags)).collect();
        let takes = |protocol: Protocol| protocol.carries_http() == (rules == "http");
        let bound: Vec<_> = selected
            .iter()
            .filter(|(protocol, _)| takes(*protocol))
            .map(|(_, listener)| listener)
            .collect();
        if selected.is_empty() {
            self.add("selectors", Problem::NoListener);
        } else if bound.is_empty() {
            let others: BTreeSet<_> = selected.iter().map(|(protocol, _)| *protocol).collect();
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            let problem = Problem::OtherProtocol(others.join(" and "), rules);
            self.add("selectors", problem);
        }
        bound
    }

    fn tcp_route(&mut self, chart: &Chart, route: &TcpRoute) {
        self.left_out(&route.faults);
        self.bound(chart, "tcp", |tags| route.selects(tags));
        for backend in &route.backends {
            if !chart.has_instances(&backend.destination) {
                let whom = words::destination(&backend.destination);
                self.add("conf.tcp.rules", Problem::NoInstancesForConnections(whom));
            } else if chart.is_forbidden(&backend.destination, |tags| route.selects(tags)) {
                let whom = words::destination(&backend.destination);
                self.add("conf.tcp.rules", Problem::NotPermitted(whom));
            }
        }
    }

    fn route(&mut self, chart: &Chart, route: &HttpRoute) {
        self.left_out(&route.faults);
        let bound = self.bound(chart, "http", |tags| route.selects(tags));
        for (position, hostname) in route.hostnames.iter().enumerate() {
            let served = bound.iter().any(|listener| {
                listener.hostname.contains(hostname) || hostname.contains(&listener.hostname)
            });
            if !bound.is_empty() && !served {
                let field = format!("conf.http.hostnames[{position}]");
                self.add(field, Problem::NoHost(hostname.to_string()));
            }
        }
        self.backends(chart, route);
        if bound.is_empty() {
            return;
        }
        // Entries of one rule stand together.
        for entries in route
            .entries
            .chunk_by(|left, right| left.rule == right.rule)
        {
            let shadower = |entry| shadow::shadower(chart, route, entry, &bound);
            let shadowers: Option<Vec<_>> = entries.iter().map(|entry| shadower(entry)).collect();
            if let Some([first, ..]) = shadowers.as_deref() {
                let field = format!("conf.http.rules[{}]", entries[0].rule);
                self.add(field, shadowed(first));
            }
        }
    }

    fn backends(&mut self, chart: &Chart, route: &HttpRoute) {
        let mut seen = BTreeSet::new();
        for entry in &route.entries {
            for destination in entry.action.destinations() {
                let whom = || words::destination(destination);
                let field = || format!("conf.http.rules[{}]", entry.rule);
                if !seen.insert(destination) {
                    continue;
                }
                if !chart.has_instances(destination) {
                    self.add(field(), Problem::NoInstances(whom()));
                } else if chart.is_forbidden(destination, |tags| route.selects(tags)) {
                    self.add(field(), Problem::NotPermitted(whom()));
                }
            }
        }
    }
}

fn shadowed(by: &Entry) -> Problem {
    Problem::Shadowed {
        by: format!(
            "rule {} of MeshGatewayRoute {}",
            by.rule,
            by.author.display_name()
        ),
        conditions: words::conditions(&by.matching),
    }
}
