//! What is to be said of MeshGateways.

use std::sync::Arc;

use portolan_model::tags;

use super::{Findings, problem::Problem};
use crate::{
    chart::Chart,
    plan::{
        gateway::Gateway,
        port::{Chain, Port},
    },
};

impl Findings<'_> {
    pub(super) fn gateway(&mut self, chart: &Chart, gateway: &Arc<Gateway>) {
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
}
