//! What becomes of connections that a chain takes.

use std::sync::Arc;

use super::{Chart, Fleet};
use crate::{
    fault::Fault,
    plan::{
        certificate::{Certificate, Source},
        gateway::Gateway,
        hosts::Host,
        port::{Chain, Port},
        table::{Route, RouteTable},
        tcp::TcpTable,
    },
};

/// One chain of a fleet, and what its Envoys do with the connections that it takes.
#[derive(Debug)]
pub struct Passage {
    /// Its port.
    pub port: Arc<Port>,
    /// The chain.
    pub chain: Arc<Chain>,
    /// Where connections go.
    pub way: Way,
    /// Why TLS cannot end here; connections are closed then.
    pub closed: Vec<Fault>,
}

/// Where connections go.
#[derive(Debug)]
pub enum Way {
    /// They carry requests, each of which a route takes.
    Http(RouteTable),
    /// Their bytes go on.
    Tcp(TcpTable),
}

impl Passage {
    /// The virtual hosts, the most specific first, each with its routes in order; none if it carries no
    /// HTTP.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &[Arc<Route>])> {
        let table = match &self.way {
            Way::Http(table) => Some(table),
            Way::Tcp(_) => None,
        };
        table.into_iter().flat_map(RouteTable::hosts)
    }

    /// The shares of its connections; nothing if it carries HTTP.
    pub fn tcp(&self) -> Option<&TcpTable> {
        match &self.way {
            Way::Http(_) => None,
            Way::Tcp(table) => Some(table),
        }
    }

    /// Whether connections are closed as soon as they come.
    pub fn closes(&self) -> bool {
        !self.closed.is_empty() || self.tcp().is_some_and(|table| table.shares().is_empty())
    }
}

impl Chart {
    /// What the Envoys of a fleet do: each chain of each port, with the routes that they get.
    pub fn passages(&self, fleet: &Fleet) -> Vec<Passage> {
        let passage = |port: &Arc<Port>, chain: &Arc<Chain>| {
            let way = if port.protocol.carries_http() {
                Way::Http(RouteTable::new(chain.clone(), &self.routes, &self.policies))
            } else {
                Way::Tcp(TcpTable::new(
                    chain.clone(),
                    &self.tcp_routes,
                    &self.policies,
                ))
            };
            Passage {
                port: port.clone(),
                chain: chain.clone(),
                way,
                closed: self.missing_certificates(fleet.gateway.as_deref(), chain),
            }
        };
        let chains = fleet
            .ports
            .iter()
            .flat_map(|port| port.chains.iter().map(move |chain| (port, chain)));
        chains.map(|(port, chain)| passage(port, chain)).collect()
    }

    /// The certificates of a chain that cannot be had, and why; with members of other meshes, mutual TLS.
    pub(crate) fn missing_certificates(
        &self,
        gateway: Option<&Gateway>,
        chain: &Chain,
    ) -> Vec<Fault> {
        let Some(gateway) = gateway else {
            return Vec::new();
        };
        let missing = |certificate: &Certificate| {
            let reason = match &certificate.source {
                Source::Inline(_) => return None,
                Source::Nowhere(reason) => reason.clone(),
                Source::Secret(name) => self.certificates.reason(name)?,
            };
            Some(Fault {
                resource: gateway.key.clone(),
                field: certificate.field.to_string(),
                reason,
            })
        };
        let certificates = chain.tls.certificates().iter();
        let without_mtls = chain.without_mtls(&gateway.key, self.mtls.as_ref());
        certificates
            .filter_map(missing)
            .chain(without_mtls)
            .collect()
    }
}
