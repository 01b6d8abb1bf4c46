//! Connection policies: what shapes the connections from one listener to one destination.
//!
//! ```text
//!   Timeout, Retry … ─▶ Policies, by kind ──┐
//!   Listener tags ────▶ source              ├─▶ matching ─▶ Chosen, one of each kind at most
//!   Destination tags ─▶ destination ────────┘                ├─ of a backend: what its cluster does
//!                                                            └─ of a route: what its requests get
//! ```
//!
//! A kind is a module here, which reads the resource, and a line in the registry below. How one is chosen
//! is the same for all kinds and stands in [`matching`].

mod circuit_breaker;
mod defaults;
mod fault_injection;
mod health_check;
mod http_filters;
mod inbound;
pub mod matching;
mod place;
mod rate_limit;
mod retry;
mod timeout;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use portolan_model::{
    Kind, Resource, ResourceKey, kinds,
    tags::{self, ANY, SERVICE, Tags},
};
use portolan_proto::mesh::Selector;

pub use circuit_breaker::{
    CircuitBreaker, Consecutive, Deviation, Failures, Limits, Outliers, Volume,
};
pub use defaults::Defaults;
pub use fault_injection::{FaultInjection, Portion};
pub use health_check::{CheckHeader, HealthCheck, HttpCheck, TcpCheck};
pub use http_filters::HttpFilters;
pub use inbound::{BySender, OnInbound};
pub use place::Place;
pub use rate_limit::{AnswerHeader, Limit, RateLimit};
pub use retry::{GrpcRetry, HttpRetry, Retry, Tries};
pub use timeout::Timeout;

use super::{destination::Destination, entry::Author};
use crate::fault::Fault;

/// Declares the kinds, and what holds one of each.
macro_rules! connection_policies {
    ($($(#[$doc:meta])* $field:ident: $conf:ident = $kind:ident, $acts:ident;)*) => {
        /// The kinds of connection policies.
        pub const CONNECTION_POLICIES: &[Kind] = &[$(kinds::$kind),*];

        /// All connection policies of a mesh.
        #[derive(Clone, Debug, Default)]
        pub struct Policies {
            $($field: OfKind<$conf>,)*
            defaults: Defaults,
            /// Who does what RateLimits and FaultInjections say.
            pub place: Place,
            faults: BTreeMap<ResourceKey, Vec<Fault>>,
        }

        impl Policies {
            fn insert(&mut self, resource: &Resource, faults: &mut Vec<Fault>) {
                $(if resource.key.kind == kinds::$kind {
                    self.$field.insert($conf::read(resource, faults));
                })*
            }

            fn forget(&mut self, key: &ResourceKey) {
                $(if key.kind == kinds::$kind {
                    self.$field.remove(&key.name);
                })*
            }

            /// What is chosen for connections with this source to this destination.
            pub fn choose(&self, source: &Tags, destination: &Destination) -> Chosen {
                Chosen {
                    $($field: self.$field.choose(source, destination),)*
                    defaults: self.defaults,
                    at_member: self.place.is_at_member(destination.service()),
                }
            }
        }

        /// The policies that were chosen, of each kind at most one.
        #[derive(Clone, Debug, Default)]
        pub struct Chosen {
            $($(#[$doc])* pub $field: Option<Arc<Policy<$conf>>>,)*
            /// What counts where none of them says otherwise.
            pub defaults: Defaults,
            /// Whether members do what the RateLimit and the FaultInjection say when requests reach them.
            pub at_member: bool,
        }

        impl Chosen {
            /// What is chosen for a route, of what was chosen for each of its backends.
            pub fn of_split(backends: &[(&Destination, Arc<Chosen>)]) -> Self {
                Self {
                    $($field: matching::of_split(backends.iter().map(|(destination, chosen)| {
                        (*destination, chosen.$field.as_ref())
                    })).cloned(),)*
                    defaults: backends.first().map(|(_, chosen)| chosen.defaults).unwrap_or_default(),
                    at_member: !backends.is_empty() && backends.iter().all(|(_, chosen)| chosen.at_member),
                }
            }

            fn is_same(&self, other: &Self) -> bool {
                $(same(self.$field.as_ref(), other.$field.as_ref()) &&)*
                    self.defaults == other.defaults && self.at_member == other.at_member
            }

            /// Kind of each, where it acts, and which connections it is for.
            pub fn scopes(&self) -> impl Iterator<Item = (Kind, Acts, &Scope)> {
                let all = [$(self.$field.as_ref().map(|policy| {
                    (kinds::$kind, policy.conf.acts(Acts::$acts), &policy.scope)
                }),)*];
                all.into_iter().flatten()
            }
        }
    };
}

connection_policies! {
    /// How long things may take.
    timeout: Timeout = TIMEOUT, EVERYWHERE;
    /// What is tried again.
    retry: Retry = RETRY, ON_ROUTES_AND_TCP;
    /// How many requests are taken.
    rate_limit: RateLimit = RATE_LIMIT, ON_ROUTES;
    /// What goes wrong on purpose.
    fault_injection: FaultInjection = FAULT_INJECTION, ON_ROUTES;
    /// How much a service gets at a time, and which of its instances nothing.
    circuit_breaker: CircuitBreaker = CIRCUIT_BREAKER, ON_CLUSTERS;
    /// Which instances are well.
    health_check: HealthCheck = HEALTH_CHECK, ON_CLUSTERS;
}

/// Where policies of a kind act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acts {
    /// On requests, as their route says.
    pub on_routes: bool,
    /// On connections to a backend, as its cluster says.
    pub on_clusters: bool,
    /// On connections whose bytes go on, as their TCP proxy says.
    pub on_tcp: bool,
}

impl Acts {
    const EVERYWHERE: Self = Self {
        on_routes: true,
        on_clusters: true,
        on_tcp: true,
    };
    const ON_ROUTES_AND_TCP: Self = Self {
        on_clusters: false,
        ..Self::EVERYWHERE
    };
    const ON_CLUSTERS: Self = Self {
        on_routes: false,
        on_clusters: true,
        on_tcp: false,
    };
    const ON_ROUTES: Self = Self {
        on_tcp: false,
        ..Self::ON_ROUTES_AND_TCP
    };
}

/// One policy.
#[derive(Debug)]
pub struct Policy<C> {
    /// Which connections it is for.
    pub scope: Scope,
    /// What it says.
    pub conf: C,
}

/// Which connections a policy is for.
#[derive(Debug)]
pub struct Scope {
    /// The resource.
    pub author: Author,
    /// Tags of listeners; any one of these suffices.
    pub sources: Vec<Tags>,
    /// Tags of backends; any one of these suffices.
    pub destinations: Vec<Tags>,
}

impl<C> Policy<C> {
    fn new(
        resource: &Resource,
        sources: Vec<Selector>,
        destinations: Vec<Selector>,
        conf: C,
    ) -> Self {
        let tags = |selectors: Vec<Selector>| selectors.into_iter().map(|one| one.r#match);
        let scope = Scope {
            author: Author::new(resource),
            sources: tags(sources).collect(),
            destinations: tags(destinations).collect(),
        };
        Self { scope, conf }
    }
}

impl Scope {
    /// Whether it is for every service.
    pub(crate) fn is_for_all(&self) -> bool {
        let mut destinations = self.destinations.iter();
        destinations.any(|selector| service(selector) == ANY)
    }
}

/// The service that a selector names; one that names none takes all.
fn service(selector: &Tags) -> &str {
    selector.get(SERVICE).map_or(ANY, String::as_str)
}

/// How one kind reads its resources.
trait Conf: Sized {
    /// The policy, unless it says nothing that can be used; that is told in `faults`.
    fn read(resource: &Resource, faults: &mut Vec<Fault>) -> Option<Policy<Self>>;

    /// Where it acts, of all places where its kind does.
    fn acts(&self, all: Acts) -> Acts {
        all
    }
}

/// All policies of one kind.
#[derive(Clone, Debug)]
struct OfKind<C> {
    by_name: BTreeMap<Arc<str>, Arc<Policy<C>>>,
    /// Those that name a service as destination, and under [`ANY`] those for all.
    by_service: HashMap<String, Vec<Arc<Policy<C>>>>,
}

impl<C> Default for OfKind<C> {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            by_service: HashMap::new(),
        }
    }
}

impl<C> OfKind<C> {
    fn insert(&mut self, policy: Option<Policy<C>>) {
        let Some(policy) = policy.map(Arc::new) else {
            return;
        };
        for selector in &policy.scope.destinations {
            let named = self.by_service.entry(service(selector).to_owned());
            named.or_default().push(policy.clone());
        }
        self.by_name
            .insert(policy.scope.author.name().clone(), policy);
    }

    fn remove(&mut self, name: &str) {
        let Some(policy) = self.by_name.remove(name) else {
            return;
        };
        for selector in &policy.scope.destinations {
            if let Some(named) = self.by_service.get_mut(service(selector)) {
                named.retain(|other| !Arc::ptr_eq(other, &policy));
                if named.is_empty() {
                    self.by_service.remove(service(selector));
                }
            }
        }
    }

    /// Whether some policy is for connections with this source, wherever they go.
    fn has_source(&self, source: &Tags) -> bool {
        let mut policies = self.by_name.values();
        policies.any(|policy| {
            let mut sources = policy.scope.sources.iter();
            sources.any(|selector| tags::matches(selector, source))
        })
    }

    fn choose(&self, source: &Tags, destination: &Destination) -> Option<Arc<Policy<C>>> {
        let named = [destination.service(), ANY];
        let candidates = named
            .iter()
            .filter_map(|service| self.by_service.get(*service));
        matching::choose(candidates.flatten(), source, destination.tags()).cloned()
    }
}

impl Chosen {
    /// The RateLimit that counts requests here.
    pub fn rate_limit_here(&self) -> Option<&Policy<RateLimit>> {
        self.rate_limit.as_deref().filter(|_| !self.at_member)
    }

    /// The FaultInjection that acts here.
    pub fn fault_injection_here(&self) -> Option<&Policy<FaultInjection>> {
        self.fault_injection.as_deref().filter(|_| !self.at_member)
    }
}

impl Policies {
    /// Whether a kind is one of connection policies.
    pub fn has(kind: Kind) -> bool {
        CONNECTION_POLICIES.contains(&kind)
    }

    /// Takes over what the Mesh says of defaults; whether that differs from before.
    pub fn set_mesh(&mut self, mesh: Option<&Resource>) -> bool {
        let defaults = mesh.map(Defaults::read).unwrap_or_default();
        std::mem::replace(&mut self.defaults, defaults) != defaults
    }

    /// What counts where no policy says otherwise.
    pub fn defaults(&self) -> Defaults {
        self.defaults
    }

    /// Takes over a policy that was created or changed.
    pub fn put(&mut self, resource: &Resource) {
        self.remove(&resource.key);
        let mut faults = Vec::new();
        self.insert(resource, &mut faults);
        if !faults.is_empty() {
            self.faults.insert(resource.key.clone(), faults);
        }
    }

    /// Forgets a policy that was deleted.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.forget(key);
        self.faults.remove(key);
    }

    /// What had to be left out.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.values().flatten()
    }
}

/// Equal if it is the same choice of the same resources in the same versions.
impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl Eq for Chosen {}

/// A duration of a policy; validation refuses negative ones.
fn given(duration: Option<portolan_proto::well_known::Duration>) -> Option<Duration> {
    let duration = duration?;
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos).ok()?;
    Some(Duration::new(seconds, nanos))
}

fn same<C>(one: Option<&Arc<Policy<C>>>, other: Option<&Arc<Policy<C>>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
