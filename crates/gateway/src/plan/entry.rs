//! One match of one rule, and the order in which entries are tried.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use jiff::Timestamp;
use portolan_model::Resource;

use super::{
    action::Action,
    matching::{PathMatch, RouteMatch},
};

/// The MeshGatewayRoute that an entry stands in. Ordered by age, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Author {
    created: Timestamp,
    display_name: Arc<str>,
    name: Arc<str>,
}

impl Author {
    /// Of a resource.
    pub fn new(resource: &Resource) -> Self {
        let name = resource.key.name.clone();
        let display_name = match resource.display_name() {
            same if *same == *name => name.clone(),
            other => other.into(),
        };
        Self {
            created: resource.created,
            display_name,
            name,
        }
    }

    /// When the resource was written first.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The name that its author gave it: another than [`name`](Self::name) where sync changed that.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The resource's name in its mesh.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// One match of one rule.
///
/// Entries are ordered as they are tried: EXACT before PREFIX before REGEX, the longer path first,
/// with method before without, more header conditions first, more query conditions first, then by path.
/// What still ties is decided by data that is the same everywhere: the older resource, its name, the
/// position in it.
#[derive(Debug)]
pub struct Entry {
    /// The resource.
    pub author: Arc<Author>,
    /// Position of the rule in the resource.
    pub rule: u32,
    /// Position of the match in the rule.
    pub position: u32,
    /// Position among the entries of the resource, over all its rules.
    pub index: u32,
    /// What it asks of a request.
    pub matching: RouteMatch,
    /// What it does, shared by all matches of the rule.
    pub action: Arc<Action>,
}

/// How specific a match is: less means more specific, so tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    path: u8,
    length: Reverse<usize>,
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

impl Entry {
    /// What decides first in the order.
    pub fn specificity(&self) -> Specificity {
        let matching = &self.matching;
        Specificity {
            path: rank(&matching.path),
            length: Reverse(matching.path.text().len()),
            any_method: matching.method.is_none(),
            headers: Reverse(matching.headers.len()),
            query: Reverse(matching.query.len()),
        }
    }

    /// The order among those that are equally specific.
    pub fn cmp_equally_specific(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (&self.matching.path, &other.matching.path);
        ours.text()
            .cmp(theirs.text())
            .then_with(|| self.author.cmp(&other.author))
            .then_with(|| self.index.cmp(&other.index))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let specificity = self.specificity().cmp(&other.specificity());
        specificity.then_with(|| self.cmp_equally_specific(other))
    }
}

fn rank(path: &PathMatch) -> u8 {
    match path {
        PathMatch::Exact(_) => 0,
        PathMatch::Prefix(_) => 1,
        PathMatch::Regex(_) => 2,
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
