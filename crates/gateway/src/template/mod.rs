//! ProxyTemplates: what a user adds to Envoy's configuration, takes out or changes, over everything that was
//! compiled.
//!
//! ```text
//!   conf.resources ────▶ resources of their own ─┐
//!   conf.modifications ─▶ steps, in order ───────┴─▶ Template ─▶ resource by resource: as it is, changed or gone
//! ```
//!
//! A resource that no step is for is not even decoded. What cannot be read is a fault of its own, and the
//! other steps go on.

mod filters;
mod hosts;
mod pool;
mod step;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::ResourceKey;
use portolan_proto::mesh::proxy_template::Conf;
use prost_reflect::{DynamicMessage, ReflectMessage};

use crate::{
    compiled::Resources,
    envoy::{
        CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Encoded, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER,
        SECRET,
    },
    fault::{Fault, Reason},
    layout::Sizes,
};
use pool::Pool;
use step::{Step, What};

/// The types of resources that a gateway is given.
const TYPES: [&str; 6] = [
    CLUSTER,
    CLUSTER_LOAD_ASSIGNMENT,
    LISTENER,
    ROUTE_CONFIGURATION,
    RUNTIME_LAYER,
    SECRET,
];

/// Origins of resources, in Kuma's words.
const GATEWAY: &str = "gateway";
const INBOUND: &str = "inbound";
const OUTBOUND: &str = "outbound";
const TRACING: &str = "tracing";
const RAW: &str = "proxy-template-raw";
const ADDED: &str = "proxy-template-modifications";

/// A ProxyTemplate that was read.
#[derive(Debug)]
pub(crate) struct Template {
    key: ResourceKey,
    pool: Pool,
    raw: Vec<(&'static str, Arc<str>, Encoded)>,
    steps: Vec<Step>,
    faults: Vec<Fault>,
}

/// What came of the resources of one type.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// All of them.
    pub(crate) resources: Resources,
    /// What could not be done.
    pub(crate) faults: BTreeSet<Fault>,
}

/// What came of resources before, so that the same need not be done again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: BTreeMap<Arc<str>, (Encoded, Done)>,
    last: Option<(Resources, Resources)>,
    faults: BTreeSet<Fault>,
}

/// What came of one resource: nothing if it was taken out.
type Done = (Option<Encoded>, BTreeSet<Fault>);

impl Template {
    /// Reads a ProxyTemplate.
    pub(crate) fn read(key: &ResourceKey, conf: &Conf) -> Self {
        let pool = Pool::get();
        let mut faults = Vec::new();
        let mut fault = |field: String, problem: String| {
            faults.push(Fault {
                resource: key.clone(),
                field,
                reason: Reason::Modification(problem),
            });
        };
        let mut raw = Vec::new();
        for (position, resource) in conf.resources.iter().enumerate() {
            match raw_resource(&pool, &resource.resource) {
                Ok(resource) => raw.push(resource),
                Err(problem) => fault(format!("conf.resources[{position}]"), problem),
            }
        }
        let mut steps = Vec::new();
        for (position, modification) in conf.modifications.iter().enumerate() {
            match Step::read(&pool, position, modification) {
                Ok(step) => steps.push(step),
                Err(problem) => fault(format!("conf.modifications[{position}]"), problem),
            }
        }
        Self {
            key: key.clone(),
            pool,
            raw,
            steps,
            faults,
        }
    }

    /// What could not be read.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How long lists may be on a virtual host of a route table: those that get more routes behind their own
    /// have all in one list.
    pub(crate) fn sizes(&self, table: &str, host: &str, sizes: Sizes) -> Sizes {
        let mut steps = self.steps.iter();
        match steps.any(|step| step.adds_routes_to(table, host)) {
            true => Sizes::LISTS,
            false => sizes,
        }
    }

    /// Resources of a type as the template wants them.
    pub(crate) fn apply(
        &self,
        type_url: &str,
        resources: &Resources,
        origin: Origin,
        memory: &mut Memory,
    ) -> Outcome {
        if let Some((before, after)) = &memory.last
            && Arc::ptr_eq(before, resources)
        {
            return Outcome {
                resources: after.clone(),
                faults: memory.faults.clone(),
            };
        }
        let outcome = self.applied(type_url, resources, origin, memory);
        memory.last = Some((resources.clone(), outcome.resources.clone()));
        memory.faults.clone_from(&outcome.faults);
        outcome
    }

    fn applied(
        &self,
        type_url: &str,
        resources: &Resources,
        origin: Origin,
        memory: &mut Memory,
    ) -> Outcome {
        let own = self.raw.iter().filter(|(of, ..)| *of == type_url);
        let steps: Vec<_> = self
            .steps
            .iter()
            .filter(|step| step.what.is_of(type_url))
            .collect();
        let mut outcome = Outcome {
            resources: resources.clone(),
            faults: BTreeSet::new(),
        };
        let mut seen = BTreeMap::new();
        if !steps.is_empty() {
            for (name, encoded) in &**resources {
                let done = match memory.seen.remove(name) {
                    Some((before, done)) if before == *encoded => done,
                    _ => self.done(type_url, origin(name), name, encoded, &steps),
                };
                if done.0.as_ref() != Some(encoded) {
                    outcome.put(name, &done.0);
                }
                outcome.faults.extend(done.1.iter().cloned());
                seen.insert(name.clone(), (encoded.clone(), done));
            }
        }
        memory.seen = seen;
        for (_, name, encoded) in own {
            let (done, faults) = self.done(type_url, RAW, name, encoded, &steps);
            outcome.put(name, &done);
            outcome.faults.extend(faults);
        }
        for (position, step) in steps.iter().enumerate() {
            if let Some((name, encoded)) = step.added() {
                let rest = &steps[position + 1..];
                let (done, faults) = self.done(type_url, ADDED, name, encoded, rest);
                outcome.put(name, &done);
                outcome.faults.extend(faults);
            }
        }
        outcome
    }

    /// What comes of one resource.
    fn done(
        &self,
        type_url: &str,
        origin: &str,
        name: &str,
        encoded: &Encoded,
        steps: &[&Step],
    ) -> Done {
        let mut faults = BTreeSet::new();
        let mut fault = |step: &Step, problem: String| {
            faults.insert(Fault {
                resource: self.key.clone(),
                field: format!("conf.modifications[{}]", step.position),
                reason: Reason::Modification(problem),
            });
        };
        if type_url == ROUTE_CONFIGURATION {
            let body = hosts::apply(&self.pool, origin, name, &encoded.body, steps, &mut fault);
            let changed = body.map_or_else(|| encoded.clone(), Encoded::new);
            return (Some(changed), faults);
        }
        let Some(descriptor) = self.pool.message(type_url) else {
            return (Some(encoded.clone()), faults);
        };
        let mut message: Option<DynamicMessage> = None;
        for step in steps {
            if step.added().is_some_and(|(added, _)| **added == *name) {
                // The new one takes its place.
                return (None, faults);
            }
            if !step.is_for(origin, name) {
                continue;
            }
            // Decoded once; what was compiled can be.
            let decoded = match message.take() {
                Some(message) => message,
                None => match DynamicMessage::decode(descriptor.clone(), encoded.body.clone()) {
                    Ok(message) => message,
                    Err(_) => return (Some(encoded.clone()), faults),
                },
            };
            let mut decoded = decoded;
            match step.change(&mut decoded) {
                Ok(true) => message = Some(decoded),
                Ok(false) => return (None, faults),
                Err(problem) => {
                    fault(step, problem);
                    message = Some(decoded);
                }
            }
        }
        let changed = message.map(|message| Encoded::new(value::encode(&message)));
        (Some(changed.unwrap_or_else(|| encoded.clone())), faults)
    }
}

impl Outcome {
    /// Resources as they are.
    pub(crate) fn of(resources: Resources) -> Self {
        Self {
            resources,
            faults: BTreeSet::new(),
        }
    }

    /// Puts what came of a resource in its place.
    fn put(&mut self, name: &Arc<str>, done: &Option<Encoded>) {
        let resources = Arc::make_mut(&mut self.resources);
        match done {
            Some(encoded) => resources.insert(name.clone(), encoded.clone()),
            None => resources.remove(name),
        };
    }
}

/// Says of a resource by its name where it comes from.
type Origin = fn(&str) -> &'static str;

/// The origin of what a BUILTIN gateway instance is given.
pub(crate) fn of_gateway(name: &str) -> &'static str {
    match name.starts_with("tracing:") {
        true => TRACING,
        false => GATEWAY,
    }
}

/// The origin of what a member or a DELEGATED gateway instance is given.
pub(crate) fn of_member(name: &str) -> &'static str {
    let begins = |prefix: &str| name.starts_with(prefix);
    match () {
        () if begins("tracing:") => TRACING,
        () if begins("inbound:") || begins("localhost:") => INBOUND,
        () => OUTBOUND,
    }
}

/// A resource that says itself of which type it is.
fn raw_resource(pool: &Pool, yaml: &str) -> Result<(&'static str, Arc<str>, Encoded), String> {
    let message = value::read_any(yaml, |type_url| pool.message(type_url))?;
    let full_name = message.descriptor().full_name().to_owned();
    let known = TYPES
        .iter()
        .find(|known| known.ends_with(&format!("/{full_name}")));
    let type_url =
        known.ok_or_else(|| format!("{full_name} is no resource that gateways are given"))?;
    let field = match *type_url {
        CLUSTER_LOAD_ASSIGNMENT => "cluster_name",
        _ => "name",
    };
    let name = value::text(&message, field);
    if name.is_empty() {
        return Err(format!("it has no {field}"));
    }
    Ok((type_url, name.into(), Encoded::new(value::encode(&message))))
}

impl What {
    /// Whether it is for resources of this type.
    fn is_of(&self, type_url: &str) -> bool {
        match self {
            Self::Cluster(_) => type_url == CLUSTER,
            Self::Listener(_) | Self::NetworkFilter(_) | Self::HttpFilter(_) => {
                type_url == LISTENER
            }
            Self::VirtualHost(_) => type_url == ROUTE_CONFIGURATION,
        }
    }
}
