//! What is to be said of MeshGatewayRoutes.

use std::{collections::BTreeSet, sync::Arc};

use portolan_model::tags::Tags;

use super::{Findings, problem::Problem, shadow};
use crate::{
    chart::Chart,
    explain::words,
    plan::{
        entry::Entry,
        port::{Listener, Protocol},
        route::HttpRoute,
        tcp::TcpRoute,
    },
};

impl Findings<'_> {
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

    pub(super) fn tcp_route(&mut self, chart: &Chart, route: &TcpRoute) {
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

    pub(super) fn route(&mut self, chart: &Chart, route: &HttpRoute) {
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
