//! One modification.

use std::sync::Arc;

use portolan_model::tags::{self, Tags};
use portolan_proto::mesh::proxy_template::{Modifications, modifications::Type};
use prost_reflect::{DynamicMessage, Value};

use super::{
    filters::{self, Filters, Place},
    pool::Pool,
    value::{self, merge},
};
use crate::envoy::{CLUSTER, Encoded, LISTENER};

const FILTER: &str = "envoy.config.listener.v3.Filter";
const HTTP_FILTER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";

/// A modification that was read.
#[derive(Debug)]
pub(super) struct Step {
    /// Position in `conf.modifications`.
    pub(super) position: usize,
    origin: Box<str>,
    /// Of the resource; empty for any.
    name: Box<str>,
    /// Of the listener.
    tags: Tags,
    pub(super) what: What,
}

/// What it is about.
#[derive(Debug)]
pub(super) enum What {
    Cluster(Change),
    Listener(Change),
    NetworkFilter(Filters),
    HttpFilter(Filters),
    VirtualHost(HostChange),
}

/// What becomes of a resource.
#[derive(Debug)]
pub(super) enum Change {
    /// It comes, with this name.
    Add(Arc<str>, Encoded),
    Remove,
    Patch(Box<DynamicMessage>),
}

/// What becomes of virtual hosts of this name; empty for any.
#[derive(Debug)]
pub(super) struct HostChange {
    pub(super) name: Box<str>,
    pub(super) change: Change,
    /// Encoded routes that a patch adds.
    pub(super) routes: Vec<Vec<u8>>,
}

impl Step {
    pub(super) fn read(pool: &Pool, position: usize, one: &Modifications) -> Result<Self, String> {
        let change = |operation: &str, yaml: &str, message: &str| {
            read_change(pool, operation, yaml, message)
        };
        let step = |origin: &str, name: &str, tags: Tags, what| Self {
            position,
            origin: origin.into(),
            name: name.into(),
            tags,
            what,
        };
        Ok(match one.r#type.clone().ok_or("it says nothing")? {
            Type::Cluster(one) => {
                let by = one.r#match.unwrap_or_default();
                let what = What::Cluster(change(&one.operation, &one.value, CLUSTER)?);
                step(&by.origin, &by.name, Tags::new(), what)
            }
            Type::Listener(one) => {
                let by = one.r#match.unwrap_or_default();
                let what = What::Listener(change(&one.operation, &one.value, LISTENER)?);
                step(&by.origin, &by.name, by.tags.into_iter().collect(), what)
            }
            Type::NetworkFilter(one) => {
                let by = one.r#match.unwrap_or_default();
                let filters = read_filters(pool, &one.operation, &one.value, &by.name, FILTER)?;
                let tags = by.listener_tags.into_iter().collect();
                step(
                    &by.origin,
                    &by.listener_name,
                    tags,
                    What::NetworkFilter(filters),
                )
            }
            Type::HttpFilter(one) => {
                let by = one.r#match.unwrap_or_default();
                let filters =
                    read_filters(pool, &one.operation, &one.value, &by.name, HTTP_FILTER)?;
                let tags = by.listener_tags.into_iter().collect();
                step(
                    &by.origin,
                    &by.listener_name,
                    tags,
                    What::HttpFilter(filters),
                )
            }
            Type::VirtualHost(one) => {
                let by = one.r#match.unwrap_or_default();
                let mut change = change(&one.operation, &one.value, VIRTUAL_HOST)?;
                let mut routes = Vec::new();
                if let Change::Patch(patch) = &mut change {
                    let given = value::messages(patch, "routes").map(|route| value::encode(route));
                    routes = given.collect();
                    patch.clear_field_by_name("routes");
                    if patch.has_field_by_name("matcher") {
                        return Err(
                            "the matcher of a host cannot be patched; give routes".to_owned()
                        );
                    }
                }
                let host = HostChange {
                    name: by.name.into(),
                    change,
                    routes,
                };
                let what = What::VirtualHost(host);
                step(&by.origin, &by.route_configuration_name, Tags::new(), what)
            }
        })
    }

    /// The resource that it adds.
    pub(super) fn added(&self) -> Option<(&Arc<str>, &Encoded)> {
        match &self.what {
            What::Cluster(Change::Add(name, encoded))
            | What::Listener(Change::Add(name, encoded)) => Some((name, encoded)),
            _ => None,
        }
    }

    /// Whether it is for a resource, as far as can be seen from outside.
    pub(super) fn is_for(&self, origin: &str, name: &str) -> bool {
        let is = |wanted: &str, given: &str| wanted.is_empty() || wanted == given;
        self.added().is_none() && is(&self.origin, origin) && is(&self.name, name)
    }

    /// Whether routes come to this virtual host of this table.
    pub(super) fn adds_routes_to(&self, table: &str, host: &str) -> bool {
        let What::VirtualHost(change) = &self.what else {
            return false;
        };
        let is_meant = change.name.is_empty() || *change.name == *host;
        is_meant && !change.routes.is_empty() && self.is_for(super::GATEWAY, table)
    }

    /// Changes a cluster or a listener; whether it stays.
    pub(super) fn change(&self, message: &mut DynamicMessage) -> Result<bool, String> {
        if !self.tags.is_empty() && !tags::matches(&self.tags, &filters::tags_of(message)) {
            return Ok(true);
        }
        match &self.what {
            What::Cluster(Change::Remove) | What::Listener(Change::Remove) => return Ok(false),
            What::Cluster(Change::Patch(patch)) | What::Listener(Change::Patch(patch)) => {
                merge(message, patch);
            }
            What::NetworkFilter(filters) => filters::on_chains(message, filters)?,
            What::HttpFilter(filters) => filters::on_managers(message, filters)?,
            What::Cluster(Change::Add(..))
            | What::Listener(Change::Add(..))
            | What::VirtualHost(_) => {}
        }
        Ok(true)
    }
}

fn read_value(pool: &Pool, yaml: &str, message: &str) -> Result<DynamicMessage, String> {
    let descriptor = pool
        .message(message)
        .ok_or_else(|| format!("{message} is not known"))?;
    value::read(yaml, descriptor).map_err(|problem| format!("the value cannot be used: {problem}"))
}

fn named(message: &DynamicMessage) -> Result<String, String> {
    let name = value::text(message, "name");
    match name.is_empty() {
        true => Err("the value has no name".to_owned()),
        false => Ok(name),
    }
}

fn read_change(pool: &Pool, operation: &str, yaml: &str, message: &str) -> Result<Change, String> {
    Ok(match operation {
        "remove" => Change::Remove,
        "patch" => {
            let patch = read_value(pool, yaml, message)?;
            if patch.has_field_by_name("name") {
                return Err("a patch cannot change the name".to_owned());
            }
            Change::Patch(Box::new(patch))
        }
        "add" => {
            let new = read_value(pool, yaml, message)?;
            Change::Add(named(&new)?.into(), Encoded::new(value::encode(&new)))
        }
        other => {
            return Err(format!(
                "{other:?} is no operation; use add, remove or patch"
            ));
        }
    })
}

fn read_filters(
    pool: &Pool,
    operation: &str,
    yaml: &str,
    name: &str,
    message: &str,
) -> Result<Filters, String> {
    let place = match operation {
        "remove" => {
            return Ok(Filters {
                name: name.into(),
                place: Place::Remove,
            });
        }
        "patch" => {
            let mut patch = read_value(pool, yaml, message)?;
            // It says which one is meant, as `match.name` does.
            patch.clear_field_by_name("name");
            Place::Patch(Box::new(patch))
        }
        _ => {
            let filter = read_value(pool, yaml, message)?;
            named(&filter)?;
            let filter = Value::Message(filter);
            match operation {
                "addFirst" => Place::First(filter),
                "addLast" => Place::Last(filter),
                "addBefore" => Place::Before(filter),
                "addAfter" => Place::After(filter),
                other => return Err(format!("{other:?} is no operation for filters")),
            }
        }
    };
    Ok(Filters {
        name: name.into(),
        place,
    })
}
