//! One proxy's stream as a state machine without I/O: requests and snapshots go in, responses come out.

mod subscription;
#[cfg(test)]
mod tests;
mod types;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    order,
    resource::{Resource, Snapshot},
};
use types::TypeState;

pub(crate) use subscription::Names;

/// A response that a proxy refused; it goes on with what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Type of the refused resources.
    pub type_url: String,
    /// The proxy's reason.
    pub message: String,
    /// The watermark of the snapshot that they came from.
    pub watermark: u64,
}

/// How the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Incremental: changes and removals.
    Delta,
    /// State of the world: clusters and listeners always whole, removals by absence.
    StateOfTheWorld,
}

/// A request of either protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) type_url: String,
    pub(crate) names: Names,
    /// What the proxy holds from an earlier stream: versions by name.
    pub(crate) known: BTreeMap<String, String>,
    /// The response that this answers; empty for none.
    pub(crate) nonce: String,
    /// Why that response was refused.
    pub(crate) error: Option<String>,
}

/// A response of either protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    pub(crate) resources: Vec<(Arc<str>, Resource)>,
    pub(crate) removed: Vec<Arc<str>>,
}

/// What a request meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Interest only, or an answer to something outdated.
    Nothing,
    /// A response was taken.
    Acknowledged,
    /// A response was refused.
    Refused(Refusal),
}

/// Everything known of one stream.
pub(crate) struct Stream {
    mode: Mode,
    /// `None` until the first snapshot: nothing is said before, not even that there is nothing.
    target: Option<Arc<Snapshot>>,
    types: BTreeMap<String, TypeState>,
    nonces: u64,
}

impl Stream {
    /// A new stream with nothing to send yet.
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, target: None, types: BTreeMap::new(), nonces: 0 }
    }

    /// The proxy should now have this; what was to be sent before and was not is forgotten.
    pub(crate) fn set_target(&mut self, snapshot: Arc<Snapshot>) {
        for (type_url, state) in &mut self.types {
            state.set_target(snapshot.types.get(type_url.as_str()));
        }
        self.target = Some(snapshot);
    }

    /// Takes a request.
    pub(crate) fn hear(&mut self, request: Request) -> Heard {
        let target =
            self.target.as_ref().and_then(|target| target.types.get(request.type_url.as_str()));
        let state = self
            .types
            .entry(request.type_url.clone())
            .or_insert_with(|| TypeState::new(order::is_wildcard(&request.type_url), target));
        // In the state-of-the-world protocol an outdated request says nothing that will not be said again.
        if self.mode == Mode::StateOfTheWorld && state.is_outdated(&request.nonce) {
            return Heard::Nothing;
        }
        let answered = state.answered(&request.nonce, request.error.is_some());
        state.subscribe(request.names, request.known);
        match (answered, request.error) {
            (Some(watermark), Some(message)) => {
                Heard::Refused(Refusal { type_url: request.type_url, message, watermark })
            }
            (Some(_), None) => Heard::Acknowledged,
            (None, _) => Heard::Nothing,
        }
    }

    /// The next response that may go out now; call again until there is none.
    pub(crate) fn next(&mut self) -> Option<Response> {
        let watermark = self.target.as_ref()?.watermark;
        let type_url = self.next_update().or_else(|| self.next_removal())?;
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        let state = self.types.get_mut(&type_url)?;
        let whole = self.mode == Mode::StateOfTheWorld && order::is_wildcard(&type_url);
        let response = state.send(&type_url, nonce, whole, watermark);
        if type_url == order::RENEWS.0
            && let Some(renewed) = self.types.get_mut(order::RENEWS.1)
        {
            renewed.forget(response.resources.iter().map(|(name, _)| name));
        }
        Some(response)
    }

    /// The watermark of the newest snapshot, if the proxy has acknowledged all of it.
    pub(crate) fn serving(&mut self) -> Option<u64> {
        let target = Arc::clone(self.target.as_ref()?);
        if self.types.is_empty() || !self.types.values_mut().all(TypeState::is_settled) {
            return None;
        }
        let complete = order::SERVED.iter().all(|type_url| {
            let Some(wanted) = target.types.get(type_url) else { return true };
            match self.types.get(*type_url) {
                Some(state) => state.has_acknowledged_all(wanted),
                None => wanted.is_empty(),
            }
        });
        complete.then_some(target.watermark)
    }

    /// The first type in order that has something new and whose turn it is. Types that are not in the
    /// order are sent whenever there is something new.
    fn next_update(&mut self) -> Option<String> {
        let other = self.types.iter_mut().find_map(|(type_url, state)| {
            let ordered = order::MAKE.iter().any(|step| step.type_url == type_url);
            (!ordered && state.may_send() && state.has_updates()).then(|| type_url.clone())
        });
        other.or_else(|| {
            let due = order::MAKE.iter().find(|step| self.is_due(step))?;
            Some(due.type_url.to_owned())
        })
    }

    fn is_due(&mut self, step: &order::Step) -> bool {
        let ready = |state: Option<&mut TypeState>| {
            state.is_some_and(|state| state.may_send() && state.has_updates())
        };
        if !ready(self.types.get_mut(step.type_url)) {
            return false;
        }
        let unsent = |state: &mut TypeState| state.has_updates();
        let unanswered = |state: &mut TypeState| state.has_updates() || state.is_updating();
        let mut blocked = |types: &[&str], busy: fn(&mut TypeState) -> bool| {
            types.iter().any(|type_url| self.types.get_mut(*type_url).is_some_and(busy))
        };
        let waits = blocked(step.sent, unsent) || blocked(step.acknowledged, unanswered);
        !waits && (step.acknowledged.is_empty() || !self.awaits_endpoints())
    }

    /// Whether the proxy has clusters whose endpoints it has not yet got: it will ask for them, and routes
    /// to these clusters would find nothing before.
    fn awaits_endpoints(&self) -> bool {
        let (clusters, endpoints) = order::RENEWS;
        let Some(wanted) = self.target.as_ref().and_then(|target| target.types.get(endpoints)) else {
            return false;
        };
        let Some(clusters) = self.types.get(clusters) else { return false };
        let got = self.types.get(endpoints);
        wanted.iter().any(|(name, resource)| {
            clusters.has_acknowledged(name)
                && !got.is_some_and(|got| got.has_been_answered(name, &resource.version))
        })
    }

    /// The first type in order that has something to remove, once nothing new is on its way at all.
    fn next_removal(&mut self) -> Option<String> {
        let busy = |state: &mut TypeState| state.has_updates() || !state.may_send();
        if self.types.values_mut().any(busy) || self.awaits_endpoints() {
            return None;
        }
        let removing = self
            .types
            .iter_mut()
            .filter_map(|(type_url, state)| state.has_removals().then_some(type_url));
        removing.min_by_key(|type_url| order::unmake(type_url)).cloned()
    }
}
