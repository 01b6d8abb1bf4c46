//! One type of resource on one stream: what the proxy wants, holds, and has been sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Response,
    subscription::{Names, Subscription},
};
use crate::resource::{Resource, Resources};

/// What was last sent of a resource.
#[derive(Clone, Debug)]
struct Sent {
    version: Arc<str>,
    /// Unknown for what the proxy holds from an earlier stream.
    resource: Option<Resource>,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Acknowledged,
    Refused,
}

/// The one response that waits for its answer.
#[derive(Debug)]
struct InFlight {
    nonce: String,
    updates: Vec<Arc<str>>,
    watermark: u64,
}

/// The state of one type.
#[derive(Debug)]
pub(super) struct TypeState {
    /// Whether a request without names asks for all.
    none_is_all: bool,
    subscription: Subscription,
    target: Arc<Resources>,
    sent: BTreeMap<Arc<str>, Sent>,
    /// Asked for by name, and not there: the proxy is told once.
    missing: BTreeSet<Arc<str>>,
    /// Whether anything was ever sent: who asks for all waits for an answer, be it empty.
    greeted: bool,
    in_flight: Option<InFlight>,
    last_nonce: String,
    /// What there is to do, computed when it is asked for.
    todo: Option<Todo>,
}

#[derive(Clone, Debug, Default)]
struct Todo {
    updates: Vec<Arc<str>>,
    removals: Vec<Arc<str>>,
}

impl TypeState {
    pub(super) fn new(none_is_all: bool, target: Option<&Arc<Resources>>) -> Self {
        Self {
            none_is_all,
            subscription: Subscription::default(),
            target: target.cloned().unwrap_or_default(),
            sent: BTreeMap::new(),
            missing: BTreeSet::new(),
            greeted: false,
            in_flight: None,
            last_nonce: String::new(),
            todo: None,
        }
    }

    pub(super) fn set_target(&mut self, target: Option<&Arc<Resources>>) {
        let target = target.cloned().unwrap_or_default();
        if !Arc::ptr_eq(&self.target, &target) {
            self.target = target;
            self.todo = None;
        }
    }

    /// Whether a nonce belongs to a response that is not the last one.
    pub(super) fn is_outdated(&self, nonce: &str) -> bool {
        !nonce.is_empty() && nonce != self.last_nonce
    }

    /// Notes the answer to the response in flight; the watermark that this response reflected.
    pub(super) fn answered(&mut self, nonce: &str, refused: bool) -> Option<u64> {
        let flight = self.in_flight.take_if(|flight| flight.nonce == nonce)?;
        let answer = if refused { Answer::Refused } else { Answer::Acknowledged };
        for name in &flight.updates {
            if let Some(sent) = self.sent.get_mut(name) {
                sent.answer = answer;
            }
        }
        Some(flight.watermark)
    }

    /// Notes what the proxy wants from now on, and what it holds already.
    pub(super) fn subscribe(&mut self, names: Names, known: BTreeMap<String, String>) {
        for (name, version) in known {
            let version = version.into();
            self.sent.insert(
                name.into(),
                Sent { version, resource: None, answer: Answer::Acknowledged },
            );
        }
        let held: BTreeSet<Arc<str>> = self
            .sent
            .iter()
            .filter(|(_, sent)| sent.resource.is_none())
            .map(|(name, _)| Arc::clone(name))
            .collect();
        let (asked, dropped) = self.subscription.change(names, self.none_is_all);
        for name in &dropped {
            self.sent.remove(name.as_str());
            self.missing.remove(name.as_str());
        }
        for name in asked {
            // Asking again means that the proxy has lost it, unless it has just said what it holds.
            if !held.contains(name.as_str()) {
                self.sent.remove(name.as_str());
            }
            if name != "*" && !self.target.contains_key(name.as_str()) {
                self.missing.insert(name.into());
            }
        }
        self.todo = None;
    }

    /// The proxy will ask for these, or wait for them, although it had them.
    pub(super) fn forget<'a>(&mut self, names: impl Iterator<Item = &'a Arc<str>>) {
        for name in names {
            if self.sent.remove(name).is_some() {
                self.todo = None;
            }
        }
    }

    pub(super) fn has_updates(&mut self) -> bool {
        !self.todo().updates.is_empty() || (self.subscription.wants_all() && !self.greeted)
    }

    pub(super) fn has_removals(&mut self) -> bool {
        !self.todo().removals.is_empty()
    }

    /// Whether no response waits for its answer.
    pub(super) fn may_send(&self) -> bool {
        self.in_flight.is_none()
    }

    /// Whether something new is on its way.
    pub(super) fn is_updating(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| !flight.updates.is_empty())
    }

    /// Whether the proxy has nothing to get and nothing to answer.
    pub(super) fn is_settled(&mut self) -> bool {
        self.may_send() && !self.has_updates() && !self.has_removals()
    }

    pub(super) fn has_acknowledged(&self, name: &str) -> bool {
        self.sent.get(name).is_some_and(|sent| sent.answer == Answer::Acknowledged)
    }

    /// Whether it was sent in that version, and taken or refused.
    pub(super) fn has_been_answered(&self, name: &str, version: &str) -> bool {
        self.sent
            .get(name)
            .is_some_and(|sent| *sent.version == *version && sent.answer != Answer::Awaited)
    }

    pub(super) fn has_acknowledged_all(&self, wanted: &Resources) -> bool {
        wanted.iter().all(|(name, resource)| {
            self.sent.get(name).is_some_and(|sent| {
                sent.version == resource.version && sent.answer == Answer::Acknowledged
            })
        })
    }

    /// The response with everything new, or if there is nothing new with what is to be removed. `whole`
    /// makes it hold everything that the proxy should have.
    pub(super) fn send(
        &mut self,
        type_url: &str,
        nonce: String,
        whole: bool,
        watermark: u64,
    ) -> Response {
        let Todo { updates, removals } = self.todo().clone();
        let removed = if updates.is_empty() { removals } else { Vec::new() };
        for name in &removed {
            self.sent.remove(name);
            self.missing.remove(name);
        }
        for name in &updates {
            if let Some(resource) = self.target.get(name) {
                let version = Arc::clone(&resource.version);
                let resource = Some(resource.clone());
                let sent = Sent { version, resource, answer: Answer::Awaited };
                self.sent.insert(Arc::clone(name), sent);
            }
        }
        let listed: Vec<_> =
            if whole { self.sent.keys().cloned().collect() } else { updates.clone() };
        let resources = listed
            .into_iter()
            .filter_map(|name| {
                let resource = self.sent.get(&name)?.resource.clone()?;
                Some((name, resource))
            })
            .collect();
        self.todo = None;
        self.greeted = true;
        self.last_nonce.clone_from(&nonce);
        self.in_flight = Some(InFlight { nonce: nonce.clone(), updates, watermark });
        Response { type_url: type_url.to_owned(), nonce, resources, removed }
    }

    fn todo(&mut self) -> &Todo {
        if self.todo.is_none() {
            self.todo = Some(self.compute());
        }
        self.todo.get_or_insert_default()
    }

    fn compute(&self) -> Todo {
        let wanted = self.target.iter().filter(|(name, _)| self.subscription.wants(name));
        let updates = wanted
            .filter(|(name, resource)| {
                self.sent.get(*name).is_none_or(|sent| sent.version != resource.version)
            })
            .map(|(name, _)| Arc::clone(name))
            .collect();
        let gone = self.sent.keys().chain(&self.missing);
        let removals = gone
            .filter(|name| !self.target.contains_key(*name) && self.subscription.wants(name))
            .cloned()
            .collect();
        Todo { updates, removals }
    }
}
