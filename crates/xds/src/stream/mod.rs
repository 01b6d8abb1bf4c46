//! One proxy's stream as a state machine without I/O: requests and snapshots go in, responses come out.
//!
//! [`rollout`] says which snapshot each step of [`crate::order`] works on, [`subscription`] what the proxy
//! lacks of it. Whatever happens, all steps are looked at once in their order ([`Stream::advance`]), and each
//! sends what it has to send if no response of its type is in flight.

mod caution;
mod interest;
mod message;
mod rollout;
mod subscription;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    order::{self, Id, STEPS},
    resource::{Resources, Snapshot},
};
use rollout::{Arrived, Rollout};
use subscription::{Makes, Sent, Subscription};

pub use message::Refusal;
pub(crate) use message::{Abuse, Heard, Mode, Names, Request, Response};

/// Types that one stream may ask for.
const MAX_TYPES: usize = 32;
/// Length of a type URL, in bytes.
const MAX_TYPE_URL: usize = 256;
/// Length of all names on one stream, in bytes.
const MAX_NAMES: usize = 32 * 1024 * 1024;
/// Length of a refusal's reason, in bytes.
const MAX_REASON: usize = 8 * 1024;

/// Everything known of one stream.
pub(crate) struct Stream {
    mode: Mode,
    rollout: Rollout,
    types: BTreeMap<String, Subscription>,
    /// At most one response of each type.
    outbox: VecDeque<Response>,
    nonces: u64,
    reported: Option<u64>,
    none: Arc<Resources>,
}

impl Stream {
    /// A new stream with nothing to send yet. Nothing is said before the first snapshot, not even that there
    /// is nothing.
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            rollout: Rollout::default(),
            types: BTreeMap::new(),
            outbox: VecDeque::new(),
            nonces: 0,
            reported: None,
            none: Arc::default(),
        }
    }

    /// The proxy should now have this.
    pub(crate) fn on_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.rollout.arrive(snapshot);
        self.types.values_mut().for_each(Subscription::look_again);
        self.advance();
    }

    /// Takes a request.
    ///
    /// # Errors
    /// If the stream must be ended.
    pub(crate) fn on_request(&mut self, request: Request) -> Result<Heard, Abuse> {
        let Request {
            type_url,
            names,
            known,
            nonce,
            error,
        } = request;
        if type_url.is_empty() || type_url.len() > MAX_TYPE_URL {
            return Err(Abuse::TypeUrl);
        }
        if !self.types.contains_key(&type_url) && self.types.len() >= MAX_TYPES {
            return Err(Abuse::TooManyTypes);
        }
        let subscription = self
            .types
            .entry(type_url.clone())
            .or_insert_with(|| Subscription::new(self.mode, order::is_wildcard(&type_url)));
        let error = error.map(shortened);
        let answered = subscription.answer(&nonce, error.as_deref());
        // The names count even if the nonce is outdated: requests come in order, so they are the newest.
        let brings = !known.is_empty();
        subscription.subscribe(names, known);
        if self.types.values().map(Subscription::weight).sum::<usize>() > MAX_NAMES {
            return Err(Abuse::TooManyNames);
        }
        if brings && type_url == order::RENEWS.1 {
            // What it holds it had before the changes that are on their way.
            self.renew(
                self.types
                    .get(order::RENEWS.0)
                    .map(Subscription::names_in_flight),
            );
        }
        self.advance();
        Ok(match (answered, error) {
            (Some(watermark), Some(message)) => Heard::Refused(Refusal {
                type_url,
                message,
                watermark,
            }),
            (Some(_), None) => Heard::Acknowledged,
            (None, _) => Heard::Nothing,
        })
    }

    /// The next response to send; call again until there is none.
    pub(crate) fn next_response(&mut self) -> Option<Response> {
        self.outbox.pop_front()
    }

    /// The watermark of the newest snapshot that the proxy has acknowledged as a whole, once for each.
    pub(crate) fn newly_serving(&mut self) -> Option<u64> {
        let snapshot = &self.rollout.finished()?.snapshot;
        let watermark = snapshot.watermark;
        if self.reported == Some(watermark) || !self.is_established(snapshot) {
            return None;
        }
        // At the beginning the steps are through with what nobody had asked for.
        if self.reported.is_none() && !self.types.values().all(Subscription::is_idle) {
            return None;
        }
        self.reported = Some(watermark);
        self.reported
    }

    /// Whether the proxy has asked for everything that it must ask for, and has got it.
    fn is_established(&self, snapshot: &Snapshot) -> bool {
        let asked = |type_url: &str| {
            self.types
                .get(type_url)
                .is_some_and(Subscription::is_wanted)
        };
        let any = |type_url: &str| {
            snapshot
                .types
                .get(type_url)
                .is_some_and(|resources| !resources.is_empty())
        };
        order::ALWAYS_ASKED.iter().all(|type_url| asked(type_url))
            && order::ASKED_IF_ANY
                .iter()
                .all(|type_url| asked(type_url) || !any(type_url))
            && self.types.values().all(Subscription::is_settled)
    }

    /// Lets every step do what it can, until none gets any further.
    fn advance(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for step in &STEPS {
                moved |= self.run(step.id);
            }
        }
    }

    /// Lets a step do what it can. Returns whether it is now through with what it was not through with before.
    fn run(&mut self, id: Id) -> bool {
        let Some(current) = self.rollout.take_up(id) else {
            return false;
        };
        let makes = STEPS[id as usize].does.makes();
        let (mut through, mut refused) = (true, false);
        for type_url in self.types_of(id) {
            through &= self.work(id, &type_url, &current);
            if makes && let Some(subscription) = self.types.get(&type_url) {
                refused |= subscription.refuses(&self.resources(&current, &type_url));
            }
        }
        if !through {
            self.rollout.stay(id);
            return false;
        }
        self.rollout.finish(id, refused)
    }

    fn types_of(&self, id: Id) -> Vec<String> {
        match STEPS[id as usize].type_url {
            Some(type_url) => vec![type_url.to_owned()],
            None => {
                let others = self
                    .types
                    .keys()
                    .filter(|name| order::steps_of(name).0 == id);
                others.cloned().collect()
            }
        }
    }

    /// Sends what a step has to send of a type, if it may. Returns whether the step is through with it: all is
    /// sent and answered.
    fn work(&mut self, id: Id, type_url: &str, current: &Arrived) -> bool {
        let does = STEPS[id as usize].does;
        let Some(subscription) = self.types.get(type_url) else {
            return true;
        };
        if does.makes() && subscription.is_making() || does.breaks() && subscription.is_breaking() {
            return false;
        }
        let makes = self.makes(id, type_url, current);
        let breaks = self.breaks(id, type_url, current);
        let Some(subscription) = self.types.get_mut(type_url) else {
            return true;
        };
        if does.makes() && makes.is_empty() {
            subscription.settle();
        }
        if makes.is_empty() && breaks.is_empty() {
            return true;
        }
        if subscription.is_idle() {
            self.send(id, type_url, makes, breaks);
        }
        false
    }

    /// Sends this, and what the type's other step has to send, so that neither keeps the other from its turn.
    fn send(&mut self, id: Id, type_url: &str, mut makes: Makes, mut breaks: Vec<Arc<str>>) {
        let (make, unmake) = order::steps_of(type_url);
        let Some(making) = self.rollout.current(make).cloned() else {
            return;
        };
        if id != make {
            makes = self.makes(make, type_url, &making);
        }
        if id != unmake
            && let Some(unmaking) = self.rollout.current(unmake).cloned()
        {
            breaks = self.breaks(unmake, type_url, &unmaking);
        }
        let Some(subscription) = self.types.get_mut(type_url) else {
            return;
        };
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        let watermark = making.snapshot.watermark;
        let Sent {
            resources,
            removed,
            renewed,
        } = subscription.send(nonce.clone(), watermark, makes, breaks);
        self.renew((type_url == order::RENEWS.0).then_some(renewed));
        let type_url = type_url.to_owned();
        self.outbox.push_back(Response {
            type_url,
            nonce,
            watermark,
            resources,
            removed,
        });
    }

    fn renew(&mut self, names: Option<Vec<Arc<str>>>) {
        if let (Some(names), Some(waiting)) = (names, self.types.get_mut(order::RENEWS.1)) {
            waiting.renew(names);
        }
    }

    fn makes(&mut self, id: Id, type_url: &str, current: &Arrived) -> Makes {
        if !STEPS[id as usize].does.makes() {
            return Makes::default();
        }
        let resources = self.resources(current, type_url);
        let Some(subscription) = self.types.get_mut(type_url) else {
            return Makes::default();
        };
        let rollout = &self.rollout;
        subscription.makes(&resources, |name| rollout.elsewhere(id, type_url, name))
    }

    fn breaks(&mut self, id: Id, type_url: &str, current: &Arrived) -> Vec<Arc<str>> {
        let does = STEPS[id as usize].does;
        // A proxy that has refused something goes on with what it had, and needs what that uses.
        if !does.breaks() || !does.makes() && self.rollout.is_refused(current.order) {
            return Vec::new();
        }
        // One that comes back may have routes that use what is gone, and has not yet asked for new ones.
        let brought = does.makes() || self.is_established(&current.snapshot);
        let resources = self.resources(current, type_url);
        let Some(subscription) = self.types.get_mut(type_url) else {
            return Vec::new();
        };
        let mut gone = subscription.gone(&resources, brought);
        if !does.makes() {
            // What comes back at once need not go. What is made and broken in one step must, for what it
            // refers to may go before it has changed.
            gone.retain(|name| {
                !self.rollout.comes(current.order, type_url, name)
                    && !self.is_orphan(type_url, name, current)
            });
        }
        if let Some(subscription) = self.types.get_mut(type_url)
            && subscription.is_silent()
        {
            subscription.forget(&gone);
            gone.clear();
        }
        gone
    }

    /// Whether a resource belongs to one that should be gone, but is not yet.
    fn is_orphan(&self, type_url: &str, name: &str, current: &Arrived) -> bool {
        let (parent, child) = order::RENEWS;
        type_url == child
            && self
                .types
                .get(parent)
                .is_some_and(|parent| parent.may_hold(name))
            && !self.resources(current, parent).contains_key(name)
    }

    fn resources(&self, of: &Arrived, type_url: &str) -> Arc<Resources> {
        Arc::clone(of.snapshot.types.get(type_url).unwrap_or(&self.none))
    }
}

/// A reason may quote a whole configuration.
fn shortened(mut reason: String) -> String {
    let mut end = MAX_REASON.min(reason.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}
