//! Proxy policies: what is chosen by the tags of a Dataplane, not connection by connection; for the outbounds of members,
//! TrafficLogs are.
//!
//! ```text
//!   TrafficLog ──┐
//!   TrafficTrace ┼─▶ matching, by gateway tags ─▶ name of a backend ─▶ Mesh ─▶ ForProxy
//! ```

mod backend;
mod backends;
pub mod format;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use portolan_model::{
    Kind, Resource, ResourceKey,
    kinds::{MESH, PROXY_TEMPLATE, TRAFFIC_LOG, TRAFFIC_TRACE},
    tags::{SERVICE, Tags},
};
use portolan_proto::mesh::{self, proxy_template::Conf};

pub use backend::{Collector, LogBackend, LogTarget, Part, TraceBackend, Zipkin};

use super::{
    entry::Author,
    policy::{Policy, Scope, matching},
};
use crate::{fault::Fault, template::Template};
use backends::Backends;

/// The kinds of proxy policies.
pub const PROXY_POLICIES: [Kind; 3] = [TRAFFIC_LOG, TRAFFIC_TRACE, PROXY_TEMPLATE];

/// As Kuma calls the destination of what goes anywhere.
const ANYWHERE: &str = "pass_through";

/// A policy that names one of the mesh's backends.
#[derive(Debug, PartialEq, Eq)]
pub struct UsesBackend {
    /// Its name; empty for the mesh's default.
    backend: Box<str>,
}

/// A ProxyTemplate as it is written.
#[derive(Debug)]
struct Written {
    key: ResourceKey,
    conf: Conf,
    /// Made when a proxy first needs it.
    read: OnceLock<Arc<Template>>,
}

/// All proxy policies of a mesh, and the backends that the Mesh gives them.
#[derive(Clone, Debug, Default)]
pub struct ProxyPolicies {
    backends: Backends,
    logs: ByName<UsesBackend>,
    traces: ByName<UsesBackend>,
    templates: ByName<Written>,
}

type ByName<C> = BTreeMap<Arc<str>, Arc<Policy<C>>>;

/// What is chosen for the proxies of a gateway.
#[derive(Clone, Debug, Default)]
pub struct ForProxy {
    log: Option<Arc<Policy<UsesBackend>>>,
    trace: Option<Arc<Policy<UsesBackend>>>,
    template: Option<Arc<Policy<Written>>>,
    /// Where access logs go; nothing if nobody asks for any, or if they cannot go there.
    pub log_backend: Option<Arc<LogBackend>>,
    /// Where traces go; nothing if nobody asks for any, or if they cannot go there.
    pub trace_backend: Option<Arc<TraceBackend>>,
    /// What had to be left out, each with the kind of the policy that asks for it.
    faults: Vec<(Kind, Fault)>,
}

impl ProxyPolicies {
    /// Whether a kind is one of proxy policies, or the Mesh that has their backends.
    pub fn has(kind: Kind) -> bool {
        kind == MESH || PROXY_POLICIES.contains(&kind)
    }

    /// Takes over a policy or the Mesh that was created or changed.
    pub fn put(&mut self, resource: &Resource) {
        let name = resource.key.name.clone();
        // Stores hold only specs that are messages of their kind.
        if resource.key.kind == MESH {
            let spec: mesh::Mesh = resource.spec_as().unwrap_or_default();
            self.backends = Backends::read(&resource.key, &spec);
        } else if resource.key.kind == TRAFFIC_LOG {
            let spec: mesh::TrafficLog = resource.spec_as().unwrap_or_default();
            let backend = spec.conf.unwrap_or_default().backend;
            let policy = Policy {
                scope: scope(resource, spec.sources, spec.destinations),
                conf: UsesBackend {
                    backend: backend.into(),
                },
            };
            self.logs.insert(name, Arc::new(policy));
        } else if resource.key.kind == TRAFFIC_TRACE {
            let spec: mesh::TrafficTrace = resource.spec_as().unwrap_or_default();
            let backend = spec.conf.unwrap_or_default().backend;
            let policy = Policy {
                scope: scope(resource, spec.selectors, anything()),
                conf: UsesBackend {
                    backend: backend.into(),
                },
            };
            self.traces.insert(name, Arc::new(policy));
        } else if resource.key.kind == PROXY_TEMPLATE {
            let mut spec: mesh::ProxyTemplate = resource.spec_as().unwrap_or_default();
            if spec.selectors.is_empty() {
                spec.selectors = anything();
            }
            let policy = Policy {
                scope: scope(resource, spec.selectors, anything()),
                conf: Written {
                    key: resource.key.clone(),
                    conf: spec.conf.unwrap_or_default(),
                    read: OnceLock::new(),
                },
            };
            self.templates.insert(name, Arc::new(policy));
        }
    }

    /// Forgets what was deleted.
    pub fn remove(&mut self, key: &ResourceKey) {
        if key.kind == MESH {
            self.backends = Backends::default();
        } else if key.kind == TRAFFIC_LOG {
            self.logs.remove(&key.name);
        } else if key.kind == TRAFFIC_TRACE {
            self.traces.remove(&key.name);
        } else if key.kind == PROXY_TEMPLATE {
            self.templates.remove(&key.name);
        }
    }

    /// What is chosen for proxies with these gateway tags in this mesh.
    pub fn choose(&self, mesh: &Arc<str>, tags: &Tags) -> ForProxy {
        let anywhere = Tags::from([(SERVICE.to_owned(), ANYWHERE.to_owned())]);
        self.choose_to(mesh, tags, &anywhere)
    }

    /// The same for connections to a destination, which chooses the TrafficLog.
    pub fn choose_to(&self, mesh: &Arc<str>, tags: &Tags, destination: &Tags) -> ForProxy {
        let mut chosen = ForProxy {
            log: matching::choose(self.logs.values(), tags, destination).cloned(),
            ..ForProxy::default()
        };
        if let Some(log) = &chosen.log {
            let found = self.backends.logging.get(&log.conf.backend, Part::Logging);
            chosen.log_backend = resolved(found, mesh, TRAFFIC_LOG, log, &mut chosen.faults);
        }
        chosen.trace = matching::choose(self.traces.values(), tags, &Tags::new()).cloned();
        if let Some(trace) = &chosen.trace {
            let found = self
                .backends
                .tracing
                .get(&trace.conf.backend, Part::Tracing);
            chosen.trace_backend = resolved(found, mesh, TRAFFIC_TRACE, trace, &mut chosen.faults);
        }
        chosen.template = matching::choose(self.templates.values(), tags, &Tags::new()).cloned();
        chosen
    }
}

/// The selector of policies that ask for no destination.
fn anything() -> Vec<mesh::Selector> {
    vec![mesh::Selector::default()]
}

fn scope(resource: &Resource, sources: Vec<mesh::Selector>, to: Vec<mesh::Selector>) -> Scope {
    let tags = |selectors: Vec<mesh::Selector>| {
        let tags = selectors.into_iter().map(|selector| selector.r#match);
        tags.collect()
    };
    Scope {
        author: Author::new(resource),
        sources: tags(sources),
        destinations: tags(to),
    }
}

/// The backend, or why it is not one.
fn resolved<B>(
    found: Result<&Arc<B>, backends::NotThere>,
    mesh: &Arc<str>,
    kind: Kind,
    policy: &Policy<UsesBackend>,
    faults: &mut Vec<(Kind, Fault)>,
) -> Option<Arc<B>> {
    let fault = match found {
        Ok(backend) => return Some(backend.clone()),
        Err(backends::NotThere::Unusable(fault)) => *fault,
        Err(backends::NotThere::Unknown(reason)) => Fault {
            resource: ResourceKey::in_mesh(kind, mesh.clone(), policy.scope.author.name().clone()),
            field: "conf.backend".to_owned(),
            reason,
        },
    };
    faults.push((kind, fault));
    None
}

impl ForProxy {
    /// The policies, each with its kind.
    pub fn scopes(&self) -> impl Iterator<Item = (Kind, &Scope)> {
        let log = self.log.as_ref().map(|log| (TRAFFIC_LOG, &log.scope));
        let trace = self
            .trace
            .as_ref()
            .map(|trace| (TRAFFIC_TRACE, &trace.scope));
        let template = self.template.as_ref();
        let template = template.map(|template| (PROXY_TEMPLATE, &template.scope));
        log.into_iter().chain(trace).chain(template)
    }

    /// The policy, and the backend, if access logs go to a collector.
    pub fn collector(&self, mesh: &Arc<str>) -> Option<(ResourceKey, &LogBackend)> {
        let (log, backend) = (self.log.as_ref()?, self.log_backend.as_deref()?);
        let name = log.scope.author.name().clone();
        let key = ResourceKey::in_mesh(TRAFFIC_LOG, mesh.clone(), name);
        backend.is_collector().then_some((key, backend))
    }

    /// The ProxyTemplate, read, if it says anything.
    pub(crate) fn template(&self) -> Option<&Arc<Template>> {
        let written = &self.template.as_ref()?.conf;
        let says = !written.conf.resources.is_empty() || !written.conf.modifications.is_empty();
        let read = || Arc::new(Template::read(&written.key, &written.conf));
        says.then(|| written.read.get_or_init(read))
    }

    /// Whether the one's ProxyTemplate is the other's.
    pub(crate) fn templates_as(&self, other: &Self) -> bool {
        match (&self.template, &other.template) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// What had to be left out.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().map(|(_, fault)| fault)
    }

    /// What had to be left out of what a policy of this kind asks for.
    pub fn faults_of(&self, kind: Kind) -> impl Iterator<Item = &Fault> {
        let faults = self.faults.iter();
        faults
            .filter(move |(of, _)| *of == kind)
            .map(|(_, fault)| fault)
    }

    /// The selectors by which a policy is for proxies with these gateway tags.
    pub fn selected<'a>(scope: &'a Scope, tags: &Tags) -> Option<&'a Tags> {
        let anywhere = scope.destinations.iter().flatten();
        let anywhere = anywhere.map(|(name, _)| (name.clone(), ANYWHERE.to_owned()));
        let (selector, _) = matching::matched(scope, tags, &anywhere.collect())?;
        Some(selector)
    }

    /// Whether listeners are the same with the one as with the other.
    pub fn listens_as(&self, other: &Self) -> bool {
        self.log_backend == other.log_backend && self.trace_backend == other.trace_backend
    }
}
