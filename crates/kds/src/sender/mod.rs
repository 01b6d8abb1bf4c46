//! The half that sends: for one peer a cursor over each kind that it asked for, and nothing else.

mod audience;
mod cursor;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Kind, Revision};
use portolan_proto::discovery::{ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use portolan_store::Snapshot;
use sha2::{Digest, Sha256};

use crate::{encode::Encoder, names::Side, peer::Peer, progress::Progress};
use audience::Audience;
use cursor::{PageLimits, Subscription};

/// Raised when peers get more of the same kinds than before, so that earlier marks do not hide it.
const RULES: &str = "2";

/// The peer lacks deletions that have been forgotten, and takes a full listing only on a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too far behind: what was removed meanwhile is forgotten; open a new stream for a full listing"
)]
pub(crate) struct Overtaken;

/// What a request meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Interest, or an answer to nothing.
    Nothing,
    /// A response was taken.
    Acknowledged,
    /// A response was refused, at least in part.
    Refused(String),
}

/// All that is known of one peer that receives.
pub(crate) struct Sender {
    identifier: String,
    /// The zone that gets; nothing on the way up.
    zone: Option<String>,
    encoder: Arc<Encoder>,
    limits: PageLimits,
    peer: Option<Peer>,
    kinds: BTreeMap<String, Subscription>,
    nonces: u64,
    marks: Marks,
}

/// How far the peer is.
#[derive(Debug, Default)]
struct Marks {
    /// Told with the newest response.
    sent: Revision,
    /// Reached when everything in flight is acknowledged.
    acknowledged: Revision,
}

impl Sender {
    /// For a peer that has just opened a stream.
    pub(crate) fn new(identifier: &str, encoder: Arc<Encoder>) -> Self {
        Self {
            identifier: identifier.to_owned(),
            zone: None,
            encoder,
            limits: PageLimits::default(),
            peer: None,
            kinds: BTreeMap::new(),
            nonces: 0,
            marks: Marks::default(),
        }
    }

    /// To the zone of that name.
    pub(crate) fn for_zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.to_owned());
        self
    }

    /// With pages of at most so many resources.
    #[cfg(test)]
    pub(crate) fn with_pages_of(mut self, resources: usize) -> Self {
        self.limits.resources = resources;
        self
    }

    /// The peer, once it has said who it is.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Up to where the peer has acknowledged everything that is for it.
    pub(crate) fn acknowledged(&self) -> Revision {
        self.marks.acknowledged
    }

    /// Takes a request: a kind that is asked for, or the answer to a response.
    pub(crate) fn hear(&mut self, request: DeltaDiscoveryRequest) -> Heard {
        if let Some(node) = &request.node
            && (self.peer.is_none() || node.metadata.is_some())
        {
            self.peer = Some(Peer::of(node));
        }
        let kind = Kind::by_name(&request.type_url).filter(|kind| self.is_ours(*kind));
        let subscription = self
            .kinds
            .entry(request.type_url)
            .or_insert_with(|| Subscription::new(kind));
        let answered = subscription
            .in_flight
            .take_if(|nonce| *nonce == request.response_nonce);
        if answered.is_none() {
            return Heard::Nothing;
        }
        match request.error_detail {
            Some(error) => Heard::Refused(error.message),
            None => Heard::Acknowledged,
        }
    }

    /// The next response that may go out now; call again until there is none.
    ///
    /// # Errors
    /// [`Overtaken`]: the stream must end, so that the peer opens another.
    pub(crate) fn next(
        &mut self,
        snapshot: &Snapshot,
    ) -> Result<Option<DeltaDiscoveryResponse>, Overtaken> {
        let peer = self.peer.clone().unwrap_or_default();
        for subscription in self.kinds.values_mut() {
            subscription.keep_up(snapshot);
        }
        let timeline = self.timeline(snapshot, &peer);
        let Some((type_url, subscription)) = self
            .kinds
            .iter_mut()
            .find(|(_, subscription)| subscription.is_due(snapshot))
        else {
            self.settle(snapshot);
            return Ok(None);
        };
        let type_url = type_url.clone();
        let resume = resume(snapshot, &peer, &timeline);
        let audience = Audience {
            zone: self.zone.as_deref(),
            snapshot,
        };
        let page = subscription.advance(&audience, &peer, resume, &self.encoder, self.limits)?;
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        subscription.in_flight = Some(nonce.clone());
        let mark = self
            .has_sent_everything(snapshot)
            .then(|| snapshot.revision());
        self.marks.sent = mark.unwrap_or(self.marks.sent);
        let progress = Progress {
            phase: page.phase,
            mark,
            store_id: timeline,
        };
        Ok(Some(DeltaDiscoveryResponse {
            system_version_info: if peer.is_portolan {
                progress.to_string()
            } else {
                String::new()
            },
            resources: page.resources,
            removed_resources: page.removed,
            type_url,
            nonce,
            control_plane: Some(ControlPlane {
                identifier: self.identifier.clone(),
            }),
        }))
    }

    /// Whether the peer has asked for all that it is going to, and all of it is sent.
    fn has_sent_everything(&self, snapshot: &Snapshot) -> bool {
        let announced = self.peer.iter().flat_map(|peer| &peer.kinds);
        announced
            .into_iter()
            .all(|kind| self.kinds.contains_key(kind))
            && !self.kinds.is_empty()
            && self.kinds.values().all(|kind| !kind.is_behind(snapshot))
    }

    /// Notes that the peer has everything, if it has.
    fn settle(&mut self, snapshot: &Snapshot) {
        let answered = self.kinds.values().all(|kind| kind.in_flight.is_none());
        if answered && self.has_sent_everything(snapshot) {
            self.marks.acknowledged = self.marks.sent;
        }
    }

    /// What a mark counts: our store, and which of its kinds the peer gets. Once either side has learned
    /// a new kind, or how to send more of one, earlier marks say nothing of it.
    fn timeline(&self, snapshot: &Snapshot, peer: &Peer) -> String {
        let mut kinds = Sha256::new_with_prefix(RULES);
        for kind in peer.kinds.iter().filter_map(|name| Kind::by_name(name)) {
            if self.is_ours(kind) {
                kinds.update(kind.name());
                kinds.update(",");
            }
        }
        let kinds = hex::encode(&kinds.finalize()[..4]);
        format!("{}/{kinds}", snapshot.store_id())
    }

    fn is_ours(&self, kind: Kind) -> bool {
        match self.encoder.side() {
            Side::Global => kind.direction.to_zone(),
            Side::Zone(_) => kind.direction.to_global(),
        }
    }
}

/// The revision up to which a peer of our own has everything, if the rest can be told.
fn resume(snapshot: &Snapshot, peer: &Peer, timeline: &str) -> Option<Revision> {
    let holds = peer.holds.as_ref().filter(|_| peer.is_portolan)?;
    let known = snapshot.horizon()..=snapshot.revision();
    (holds.store_id == timeline && known.contains(&holds.revision)).then_some(holds.revision)
}
