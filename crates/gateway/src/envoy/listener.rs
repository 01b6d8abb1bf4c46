//! The Envoy listener of one port, with its filter chains.

use envoy_types::pb::envoy::{
    config::{
        core::v3::{TrafficDirection, TransportSocket},
        listener::v3::{
            Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, filter,
            listener_filter,
        },
    },
    extensions::filters::{
        listener::tls_inspector::v3::TlsInspector, network::direct_response::v3::Config as Closing,
    },
};
use portolan_model::hostname::Hostname;
use prost::Message;

use super::{
    Encoded, Logged, address, any, boolean, connection_manager, defaults, mtls, number, tcp_proxy,
    tls,
};
use crate::plan::{
    policy::{Chosen, HttpFilters},
    port::{Chain, Port, Protocol, Tls},
    proxy::TraceBackend,
    tcp::Share,
};

/// A chain, and what to do with the connections that it takes.
pub(crate) struct ChainUse<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) does: Does<'a>,
    /// Names of the certificates with which TLS ends here.
    pub(crate) certificates: Vec<&'a str>,
}

impl ChainUse<'_> {
    /// Whether TLS ends here. A chain that closes needs no certificate, and may have none.
    pub(crate) fn ends_tls(&self) -> bool {
        matches!(self.chain.tls, Tls::Terminate(_)) && !matches!(self.does, Does::Close)
    }
}

/// What to do with connections.
#[derive(Clone, Copy)]
pub(crate) enum Does<'a> {
    /// Read HTTP, with these filters; the route table says the rest.
    Http(HttpFilters),
    /// Hand their bytes on to one of these, with these policies; at least one.
    Tcp(&'a [Share], &'a Chosen),
    /// Close them.
    Close,
}

/// What listeners of one gateway instance have in common.
pub(crate) struct Site<'a> {
    /// The gateway's mesh.
    pub(crate) mesh: &'a str,
    /// The address to listen on.
    pub(crate) address: &'a str,
    /// The gateway's service, after which statistics are named.
    pub(crate) service: &'a str,
    /// By what listeners that end TLS ask for the keys of session tickets.
    pub(crate) ticket_keys: &'a str,
    /// The access log, if there is one.
    pub(crate) logged: Option<Logged<'a>>,
    /// Where traces go, if anywhere.
    pub(crate) traced: Option<&'a TraceBackend>,
}

/// The listener of a port; nothing if no chain does anything.
pub(crate) fn listener<'a>(
    port: &Port,
    site: &Site<'_>,
    chains: impl Iterator<Item = ChainUse<'a>>,
) -> Option<Encoded> {
    let chains: Vec<_> = chains.collect();
    if chains.iter().all(|one| matches!(one.does, Does::Close)) {
        return None;
    }
    let filter_chains = chains.iter();
    let filter_chains: Vec<_> = filter_chains
        .map(|one| filter_chain(one, port.protocol, site))
        .collect();
    Some(Encoded::of(&Listener {
        name: port.name.to_string(),
        address: address(site.address.to_owned(), port.number),
        listener_filters: listener_filters(&filter_chains),
        filter_chains,
        per_connection_buffer_limit_bytes: number(defaults::CONNECTION_BUFFER),
        traffic_direction: TrafficDirection::Inbound.into(),
        // Spreads connections over the workers, and lets instances share an address and port.
        enable_reuse_port: boolean(true),
        ..Listener::default()
    }))
}

/// Looks for TLS where chains are chosen by it, and nowhere else: it waits for the client's first bytes, and
/// with many protocols on TCP the server speaks first.
fn listener_filters(chains: &[FilterChain]) -> Vec<ListenerFilter> {
    let chosen = chains
        .iter()
        .any(|chain| chain.filter_chain_match.is_some());
    chosen.then(tls_inspector).into_iter().collect()
}

/// Looks whether a connection begins with TLS, and for which host and application.
pub(super) fn tls_inspector() -> ListenerFilter {
    ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(any(
            "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            &TlsInspector::default(),
        ))),
        ..ListenerFilter::default()
    }
}

fn filter_chain(one: &ChainUse<'_>, protocol: Protocol, site: &Site<'_>) -> FilterChain {
    let filter = match one.does {
        Does::Http(filters) => connection_manager::filter(&one.chain.name, site, filters),
        Does::Tcp(shares, chosen) => tcp_proxy::filter(shares, chosen, site),
        Does::Close => closing(),
    };
    FilterChain {
        filter_chain_match: chain_match(one.chain, protocol),
        filters: vec![filter],
        transport_socket: transport_socket(one, protocol, site),
        ..FilterChain::default()
    }
}

/// Nothing where TLS is not ended.
fn transport_socket(
    one: &ChainUse<'_>,
    protocol: Protocol,
    site: &Site<'_>,
) -> Option<TransportSocket> {
    // A chain that closes needs no certificate, and may have none.
    if matches!(one.does, Does::Close) {
        return None;
    }
    match one.chain.tls {
        Tls::None | Tls::Passthrough => None,
        Tls::Terminate(_) => {
            let certificates = &one.certificates;
            Some(tls::transport_socket(
                certificates,
                site.ticket_keys,
                protocol,
            ))
        }
        Tls::Mutual(_) => Some(mtls::from_any_mesh(site.mesh)),
    }
}

/// Nothing for a chain that takes every connection.
fn chain_match(chain: &Chain, protocol: Protocol) -> Option<FilterChainMatch> {
    if let Tls::Mutual(_) = chain.tls {
        return Some(FilterChainMatch {
            transport_protocol: "tls".to_owned(),
            application_protocols: vec![mtls::ALPN.to_owned()],
            ..FilterChainMatch::default()
        });
    }
    protocol
        .is_encrypted()
        .then(|| server_names(&chain.hostname))
}

/// Connections that begin with TLS for this hostname; a chain for every hostname names none.
fn server_names(hostname: &Hostname) -> FilterChainMatch {
    let server_names = match hostname {
        Hostname::Any => Vec::new(),
        named => vec![named.to_string()],
    };
    FilterChainMatch {
        server_names,
        transport_protocol: "tls".to_owned(),
        ..FilterChainMatch::default()
    }
}

/// Answers nothing and closes. A hostname that cannot be served must not fall to a chain for more hosts.
pub(super) fn closing() -> Filter {
    network_filter(
        "envoy.filters.network.direct_response",
        "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config",
        &Closing::default(),
    )
}

pub(super) fn network_filter(name: &str, type_url: &str, config: &impl Message) -> Filter {
    Filter {
        name: name.to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(type_url, config))),
    }
}
