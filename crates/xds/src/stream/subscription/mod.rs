//! One type of resource on one stream: what the proxy wants, holds, has been sent, and refused.

mod difference;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    caution::Caution,
    interest::{Change, Interest},
    message::{Mode, Names},
    rollout::Elsewhere,
};
use crate::resource::{Resource, Resources};

/// What the proxy holds of one name.
#[derive(Clone, Debug)]
struct Held {
    version: Arc<str>,
    /// Unknown for what the proxy brought from an earlier stream.
    body: Option<Bytes>,
}

/// The one response that waits for its answer.
#[derive(Debug)]
struct InFlight {
    nonce: String,
    watermark: u64,
    resources: Vec<(Arc<str>, Resource)>,
    makes: bool,
    breaks: bool,
}

/// What a step that makes has to send.
#[derive(Debug, Default)]
pub(super) struct Makes {
    pub(super) resources: Vec<(Arc<str>, Resource)>,
    /// Asked for by name, and not there.
    pub(super) missing: Vec<Arc<str>>,
    /// An answer is due even if there is nothing in it.
    greeting: bool,
}

impl Makes {
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.missing.is_empty() && !self.greeting
    }
}

/// What a response consists of.
pub(super) struct Sent {
    pub(super) resources: Vec<(Arc<str>, Resource)>,
    pub(super) removed: Vec<Arc<str>>,
    /// Names of resources that the proxy may find different from what it has.
    pub(super) renewed: Vec<Arc<str>>,
}

/// The state of one type.
#[derive(Debug)]
pub(super) struct Subscription {
    mode: Mode,
    /// Whether a request without names asks for all, and a state-of-the-world response holds all.
    wildcard: bool,
    fresh: bool,
    interest: Interest,
    /// Without what was removed, even before the proxy has acknowledged that.
    held: BTreeMap<Arc<str>, Held>,
    /// Length of names and versions that the proxy brought from an earlier stream.
    known_bytes: usize,
    /// Names that are asked for, are not there, and have been answered so.
    absent: BTreeSet<Arc<str>>,
    /// Names that must be answered whatever is held.
    owed: BTreeSet<Arc<str>>,
    greet: bool,
    /// Whether the proxy has asked for something that it has not yet got.
    unsettled: bool,
    refused: BTreeMap<Arc<str>, Arc<str>>,
    caution: Option<Caution>,
    /// Names in refused responses since the last one that was taken: the proxy may have the refused version.
    uncertain: BTreeSet<Arc<str>>,
    in_flight: Option<InFlight>,
    /// With these resources there was nothing to make, and nothing has changed since.
    made: Option<Arc<Resources>>,
    /// With these resources there was nothing to break, and nothing has changed since.
    broken: Option<Arc<Resources>>,
}

impl Subscription {
    pub(super) fn new(mode: Mode, wildcard: bool) -> Self {
        Self {
            mode,
            wildcard,
            fresh: true,
            interest: Interest::default(),
            held: BTreeMap::new(),
            known_bytes: 0,
            absent: BTreeSet::new(),
            owed: BTreeSet::new(),
            greet: false,
            unsettled: false,
            refused: BTreeMap::new(),
            caution: None,
            uncertain: BTreeSet::new(),
            in_flight: None,
            made: None,
            broken: None,
        }
    }

    /// Notes what the proxy wants from now on, and what it holds from an earlier stream.
    pub(super) fn subscribe(&mut self, names: Names, known: BTreeMap<String, String>) {
        let change = self.interest.change(names, self.wildcard);
        if change == Change::default() && known.is_empty() {
            return;
        }
        self.touch();
        self.unsettled |= change.all_begins || !change.asked.is_empty();
        let whole = self.is_whole();
        self.greet |= change.all_begins && (whole || known.is_empty());
        // In state of the world a name's absence from a whole response says that it is not there.
        self.greet |= whole && !change.asked.is_empty();
        for name in change.dropped {
            self.drop_name(name);
        }
        if change.all_ends {
            self.held.retain(|name, _| self.interest.wants(name));
        }
        self.owed.extend(change.asked);
        if std::mem::take(&mut self.fresh) {
            self.bring(known);
        }
        if self.interest.is_empty() && self.mode == Mode::StateOfTheWorld {
            // Envoy does not answer a response of a type that it has lost all interest in.
            self.in_flight = None;
        }
    }

    fn drop_name(&mut self, name: Arc<str>) {
        if let Some(flight) = &mut self.in_flight {
            flight.resources.retain(|(sent, _)| *sent != name);
        }
        self.refused.remove(&name);
        self.absent.remove(&name);
        if self.interest.wants(&name) {
            // It is still wanted as one of all, and the proxy cannot know whether it is.
            self.owed.insert(name);
        } else {
            self.held.remove(&name);
            self.owed.remove(&name);
        }
    }

    fn bring(&mut self, known: BTreeMap<String, String>) {
        for (name, version) in known {
            if self.interest.wants(&name) {
                self.known_bytes += name.len() + version.len();
                self.owed.remove(name.as_str());
                let held = Held {
                    version: version.into(),
                    body: None,
                };
                self.held.insert(name.into(), held);
            }
        }
    }

    /// Notes the answer to the response in flight. Returns the watermark that this reflected, or `None` if
    /// the nonce is of another one.
    pub(super) fn answer(&mut self, nonce: &str, error: Option<&str>) -> Option<u64> {
        let flight = self.in_flight.take_if(|flight| flight.nonce == nonce)?;
        self.touch();
        let names = flight.resources.iter().map(|(name, _)| Arc::clone(name));
        match error {
            None => {
                self.caution = self.caution.take().map(Caution::relaxed);
                if self.is_whole() {
                    self.uncertain.clear();
                }
                for (name, Resource { version, body }) in flight.resources {
                    self.uncertain.remove(&name);
                    if self.refused.get(&name) == Some(&version) {
                        self.refused.remove(&name);
                    }
                    self.held.insert(
                        name,
                        Held {
                            version,
                            body: Some(body),
                        },
                    );
                }
            }
            Some(message) => {
                self.uncertain.extend(names.clone());
                match &flight.resources[..] {
                    [] => {}
                    [(name, resource)] => {
                        self.refused
                            .insert(Arc::clone(name), Arc::clone(&resource.version));
                    }
                    // One bad resource must not hold up the others: find it.
                    _ => self.caution = Some(Caution::after(names.collect(), message)),
                }
            }
        }
        Some(flight.watermark)
    }

    /// The proxy waits for these again, although it had them.
    pub(super) fn renew(&mut self, names: Vec<Arc<str>>) {
        for name in names {
            let sent = self.in_flight.iter().flat_map(|flight| &flight.resources);
            if self.held.contains_key(&name) || sent.into_iter().any(|(sent, _)| *sent == name) {
                self.owed.insert(name);
                self.touch();
            }
        }
    }

    /// These are gone; the proxy finds out by itself when nothing refers to them any more.
    pub(super) fn forget(&mut self, gone: &[Arc<str>]) {
        for name in gone {
            self.held.remove(name);
            self.uncertain.remove(name);
            if self.interest.names(name) {
                self.absent.insert(Arc::clone(name));
            }
        }
    }

    /// Puts a response in flight and returns what it consists of.
    pub(super) fn send(
        &mut self,
        nonce: String,
        watermark: u64,
        makes: Makes,
        breaks: Vec<Arc<str>>,
    ) -> Sent {
        self.touch();
        self.forget(&breaks);
        for name in &breaks {
            self.refused.remove(name);
        }
        let mut renewed: Vec<_> = makes
            .resources
            .iter()
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in &renewed {
            self.owed.remove(name);
            self.absent.remove(name);
        }
        for name in &makes.missing {
            self.owed.remove(name);
            self.absent.insert(Arc::clone(name));
        }
        self.greet = false;
        if self.is_whole() {
            renewed.extend(self.uncertain.iter().cloned());
        }
        let resources = if self.is_whole() {
            let held = self.held.iter().filter_map(|(name, held)| {
                let (version, body) = (Arc::clone(&held.version), held.body.clone()?);
                Some((Arc::clone(name), Resource { version, body }))
            });
            let sent = makes.resources.iter().cloned();
            held.chain(sent)
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect()
        } else {
            makes.resources.clone()
        };
        self.in_flight = Some(InFlight {
            nonce,
            watermark,
            makes: !makes.is_empty(),
            breaks: !breaks.is_empty(),
            resources: makes.resources,
        });
        let mut removed = breaks;
        removed.extend(makes.missing);
        if self.mode == Mode::StateOfTheWorld {
            removed.clear();
        }
        Sent {
            resources,
            removed,
            renewed,
        }
    }

    /// A new snapshot has come, which may have what was absent, even if it will be skipped.
    pub(super) fn look_again(&mut self) {
        if !self.absent.is_empty() {
            self.made = None;
        }
    }

    /// The proxy has got everything that it has asked for so far.
    pub(super) fn settle(&mut self) {
        self.unsettled = false;
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.unsettled
    }

    /// Names in the response that waits for its answer.
    pub(super) fn names_in_flight(&self) -> Vec<Arc<str>> {
        let sent = self.in_flight.iter().flat_map(|flight| &flight.resources);
        sent.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Whether no response waits for its answer.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    pub(super) fn is_making(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| flight.makes)
    }

    pub(super) fn is_breaking(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|flight| flight.breaks)
    }

    /// Whether the proxy has this resource, or may have it.
    pub(super) fn may_hold(&self, name: &str) -> bool {
        self.held.contains_key(name) || self.uncertain.contains(name)
    }

    /// Whether the proxy wants any resource of this type.
    pub(super) fn is_wanted(&self) -> bool {
        !self.interest.is_empty()
    }

    /// Whether the proxy has refused one of these.
    pub(super) fn refuses(&self, current: &Resources) -> bool {
        self.refused.iter().any(|(name, version)| {
            current
                .get(name)
                .is_some_and(|resource| resource.version == *version)
        })
    }

    /// Memory that the proxy makes us keep, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.interest.bytes() + self.known_bytes
    }

    fn is_whole(&self) -> bool {
        self.mode == Mode::StateOfTheWorld && self.wildcard
    }

    /// Whether removals have no form on the wire.
    pub(super) fn is_silent(&self) -> bool {
        self.mode == Mode::StateOfTheWorld && !self.wildcard
    }

    fn touch(&mut self) {
        self.made = None;
        self.broken = None;
    }
}
