//! The ports of one group, and what their chains do at the moment.

use std::{collections::BTreeSet, mem, ops::BitOrAssign, sync::Arc};

use portolan_model::ResourceKey;

use super::{
    Sources,
    clusters::{Carries, Needed},
    secrets::Issued,
};
use crate::{
    envoy::{ChainUse, Does},
    fault::Fault,
    plan::{
        certificate::Source,
        policy::{HttpFilters, Policies},
        port::{Chain, Port, Tls},
        table::{self, RouteTable},
        tcp::TcpTable,
    },
};

/// One port.
#[derive(Debug)]
pub(super) struct OpenPort {
    pub(super) port: Arc<Port>,
    pub(super) chains: Vec<OpenChain>,
}

impl OpenPort {
    pub(super) fn new(port: Arc<Port>, gateway: &ResourceKey, sources: &Sources) -> Self {
        let http = port.protocol.carries_http();
        let chains = port.chains.iter();
        let chains = chains.map(|chain| OpenChain::new(chain, http, gateway, sources));
        Self {
            chains: chains.collect(),
            port,
        }
    }
}

/// One chain.
#[derive(Debug)]
pub(super) struct OpenChain {
    chain: Arc<Chain>,
    routes: ChainRoutes,
    /// What requests pass, if they are read.
    filters: HttpFilters,
    /// What TLS ends with, or why it cannot.
    certificates: Result<Box<[Issued]>, Vec<Fault>>,
}

/// Where connections of a chain go.
#[derive(Debug)]
enum ChainRoutes {
    Http(RouteTable),
    Tcp(TcpTable),
}

/// What an update made different.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    /// The route table is another, or it is served now and was not, or the other way around.
    pub(super) table: bool,
    /// Other clusters are needed.
    pub(super) clusters: bool,
    /// The listener is another.
    pub(super) listener: bool,
}

impl Changes {
    /// All of it.
    pub(super) const EVERYTHING: Self = Self {
        table: true,
        clusters: true,
        listener: true,
    };

    /// All of what TCP routes are to a chain, or none of it.
    fn tcp(differs: bool) -> Self {
        Self {
            table: false,
            clusters: differs,
            listener: differs,
        }
    }
}

impl From<table::Changes> for Changes {
    fn from(changes: table::Changes) -> Self {
        Self {
            table: changes.routes,
            clusters: changes.clusters,
            listener: false,
        }
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        self.table |= other.table;
        self.clusters |= other.clusters;
        self.listener |= other.listener;
    }
}

impl OpenChain {
    fn new(chain: &Arc<Chain>, http: bool, gateway: &ResourceKey, sources: &Sources) -> Self {
        let policies = &sources.policies;
        let routes = match http {
            true => {
                let table = RouteTable::new(chain.clone(), &sources.routes, policies);
                ChainRoutes::Http(table)
            }
            false => {
                let table = TcpTable::new(chain.clone(), &sources.tcp_routes, policies);
                ChainRoutes::Tcp(table)
            }
        };
        Self {
            chain: chain.clone(),
            filters: filters(chain, policies),
            routes,
            certificates: gather(chain, gateway, sources),
        }
    }

    /// Takes over the routes of these names as they are now.
    pub(super) fn update_routes(
        &mut self,
        sources: &Sources,
        names: &BTreeSet<Arc<str>>,
    ) -> Changes {
        match &mut self.routes {
            ChainRoutes::Http(table) => table
                .update(&sources.routes, names, &sources.policies)
                .into(),
            ChainRoutes::Tcp(table) => {
                Changes::tcp(table.update(&sources.tcp_routes, names, &sources.policies))
            }
        }
    }

    /// Chooses policies anew.
    pub(super) fn choose_policies(&mut self, policies: &Policies) -> Changes {
        match &mut self.routes {
            ChainRoutes::Http(table) => {
                let before = mem::replace(&mut self.filters, filters(&self.chain, policies));
                Changes {
                    listener: self.filters != before,
                    ..table.choose(policies).into()
                }
            }
            ChainRoutes::Tcp(table) => Changes::tcp(table.choose(policies)),
        }
    }

    /// Takes over the Secrets, and the mutual TLS of the mesh, as they are now.
    pub(super) fn update_certificates(
        &mut self,
        gateway: &ResourceKey,
        sources: &Sources,
    ) -> Changes {
        let after = gather(&self.chain, gateway, sources);
        let before = mem::replace(&mut self.certificates, after);
        let after = &self.certificates;
        let same = match (&before, after) {
            (Ok(before), Ok(after)) => before.iter().map(name).eq(after.iter().map(name)),
            (before, after) => before.is_ok() == after.is_ok(),
        };
        Changes {
            table: before.is_ok() != after.is_ok(),
            clusters: false,
            listener: !same,
        }
    }

    /// Whether one of its certificates comes from the Secret of this name.
    pub(super) fn names_secret(&self, name: &str) -> bool {
        let mut certificates = self.chain.tls.certificates().iter();
        certificates.any(
            |certificate| matches!(&certificate.source, Source::Secret(other) if **other == *name),
        )
    }

    /// How connections are dealt with.
    pub(super) fn in_use(&self) -> ChainUse<'_> {
        let does = match (&self.routes, &self.certificates) {
            (_, Err(_)) => Does::Close,
            (ChainRoutes::Http(_), Ok(_)) => Does::Http(self.filters),
            (ChainRoutes::Tcp(table), Ok(_)) => match table.shares() {
                [] => Does::Close,
                shares => Does::Tcp(shares, table.chosen()),
            },
        };
        ChainUse {
            chain: &self.chain,
            does,
            certificates: self.issued().iter().map(|one| &*one.name).collect(),
        }
    }

    fn issued(&self) -> &[Issued] {
        self.certificates.as_deref().unwrap_or_default()
    }

    /// The certificates that it shows its clients now.
    pub(super) fn shown_certificates(&self) -> &[Issued] {
        match self.in_use().does {
            Does::Close => &[],
            Does::Http(_) | Does::Tcp(..) => self.issued(),
        }
    }

    /// Whether members of any mesh come in.
    pub(super) fn is_cross_mesh(&self) -> bool {
        matches!(self.chain.tls, Tls::Mutual(_))
    }

    /// Whether its route table, if it has one, is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.certificates.is_ok()
    }

    /// Its route table, if it carries HTTP.
    pub(super) fn table(&self) -> Option<&RouteTable> {
        match &self.routes {
            ChainRoutes::Http(table) => Some(table),
            ChainRoutes::Tcp(_) => None,
        }
    }

    fn tcp_table(&self) -> Option<&TcpTable> {
        match &self.routes {
            ChainRoutes::Http(_) => None,
            ChainRoutes::Tcp(table) => Some(table),
        }
    }

    /// The clusters that its routes need; some may come more than once.
    pub(super) fn clusters(&self) -> impl Iterator<Item = Needed<'_>> {
        let http = self.table().into_iter().flat_map(RouteTable::clusters);
        let http = http.map(|(name, destination, chosen)| Needed {
            name,
            destination,
            carries: Carries::Http,
            chosen,
        });
        let tcp = self.tcp_table().into_iter().flat_map(TcpTable::shares);
        let tcp = tcp.map(|share| Needed {
            name: &share.cluster,
            destination: &share.destination,
            carries: Carries::Tcp,
            chosen: &share.chosen,
        });
        http.chain(tcp)
    }

    /// What had to be left out.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        let http = self.table().into_iter().flat_map(RouteTable::faults);
        let tcp = self.tcp_table().into_iter().flat_map(TcpTable::faults);
        let of_certificates = self.certificates.as_ref().err().into_iter().flatten();
        of_certificates.chain(http).chain(tcp)
    }
}

/// What requests of a chain may need. Listeners that share it share its filters.
fn filters(chain: &Chain, policies: &Policies) -> HttpFilters {
    let listeners = chain.listeners.iter();
    listeners.fold(HttpFilters::default(), |filters, listener| {
        filters.or(policies.http_filters(&listener.tags))
    })
}

fn name(issued: &Issued) -> &Arc<str> {
    &issued.name
}

/// The certificates of a chain. One that cannot be had takes the others along: a client that needs it must
/// not get another, and whoever looks must see what is wrong.
fn gather(
    chain: &Chain,
    gateway: &ResourceKey,
    sources: &Sources,
) -> Result<Box<[Issued]>, Vec<Fault>> {
    let mut all: Vec<Issued> = Vec::new();
    let mut faults = Vec::new();
    faults.extend(chain.without_mtls(gateway, sources.mtls.as_ref()));
    for certificate in chain.tls.certificates() {
        let issued = match &certificate.source {
            Source::Secret(name) => sources.secrets.certificates(name).map(<[_]>::to_vec),
            Source::Inline(identities) => Ok(identities.iter().map(Issued::new).collect()),
            Source::Nowhere(reason) => Err(reason.clone()),
        };
        match issued {
            // Naming one twice is as good as once.
            Ok(issued) => {
                for one in issued {
                    if !all.contains(&one) {
                        all.push(one);
                    }
                }
            }
            Err(reason) => faults.push(Fault {
                resource: gateway.clone(),
                field: certificate.field.to_string(),
                reason,
            }),
        }
    }
    if faults.is_empty() {
        Ok(all.into())
    } else {
        Err(faults)
    }
}
