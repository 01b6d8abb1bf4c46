//! The half that sends: for one peer a cursor over each kind that it asked for, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use portolan_model::{Kind, Revision};
use portolan_proto::discovery::{
    ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource,
};
use portolan_store::{Change, Snapshot};

use crate::{
    encode::Encoder,
    names::Side,
    peer::Peer,
    progress::{Phase, Progress},
};

/// Most resources of a page.
const PAGE_RESOURCES: usize = 500;
/// A page ends once it is so large.
const PAGE_BYTES: usize = 1024 * 1024;

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
    encoder: Arc<Encoder>,
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

/// One kind that the peer asked for.
#[derive(Debug)]
struct Subscription {
    /// `None` for a kind that we do not have.
    kind: Option<Kind>,
    state: State,
    /// The nonce of the response that waits for its answer.
    in_flight: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been sent yet.
    Asked,
    /// In the middle of a full listing: everything up to the cursor has been sent.
    Listing(Revision),
    /// Everything up to the cursor has been sent.
    Following(Revision),
}

impl Sender {
    /// For a peer that has just opened a stream.
    pub(crate) fn new(identifier: &str, encoder: Arc<Encoder>) -> Self {
        Self {
            identifier: identifier.to_owned(),
            encoder,
            peer: None,
            kinds: BTreeMap::new(),
            nonces: 0,
            marks: Marks::default(),
        }
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
        let subscription = self.kinds.entry(request.type_url).or_insert(Subscription {
            kind,
            state: State::Asked,
            in_flight: None,
        });
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
    pub(crate) fn next(&mut self, snapshot: &Snapshot) -> Option<DeltaDiscoveryResponse> {
        let peer = self.peer.clone().unwrap_or_default();
        let ready = self
            .kinds
            .iter()
            .find(|(_, subscription)| subscription.is_due(snapshot));
        let Some(type_url) = ready.map(|(type_url, _)| type_url.clone()) else {
            self.settle(snapshot);
            return None;
        };
        let page = self
            .kinds
            .get_mut(&type_url)?
            .advance(snapshot, &peer, &self.encoder);
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        self.kinds.get_mut(&type_url)?.in_flight = Some(nonce.clone());
        let complete = self
            .kinds
            .values()
            .all(|subscription| !subscription.is_behind(snapshot));
        let mark = complete.then(|| snapshot.revision());
        self.marks.sent = mark.unwrap_or(self.marks.sent);
        let progress = Progress {
            phase: page.phase,
            mark,
            store_id: snapshot.store_id().to_owned(),
        };
        Some(DeltaDiscoveryResponse {
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
        })
    }

    /// Notes that the peer has everything, if it has.
    fn settle(&mut self, snapshot: &Snapshot) {
        let idle = |subscription: &Subscription| {
            subscription.in_flight.is_none() && !subscription.is_behind(snapshot)
        };
        if !self.kinds.is_empty() && self.kinds.values().all(idle) {
            self.marks.acknowledged = self.marks.sent;
        }
    }

    fn is_ours(&self, kind: Kind) -> bool {
        match self.encoder.side() {
            Side::Global => kind.direction.to_zone(),
            Side::Zone(_) => kind.direction.to_global(),
        }
    }
}

/// The content of one response.
struct Page {
    phase: Phase,
    resources: Vec<WireResource>,
    removed: Vec<String>,
}

impl Subscription {
    fn is_due(&self, snapshot: &Snapshot) -> bool {
        self.in_flight.is_none() && self.is_behind(snapshot)
    }

    /// Whether something is still to be sent.
    fn is_behind(&self, snapshot: &Snapshot) -> bool {
        match (self.state, self.kind) {
            (State::Asked | State::Listing(_), _) => true,
            (State::Following(cursor), Some(kind)) => snapshot.last_change(kind) > cursor,
            (State::Following(_), None) => false,
        }
    }

    fn advance(&mut self, snapshot: &Snapshot, peer: &Peer, encoder: &Encoder) -> Page {
        let Some(kind) = self.kind else {
            self.state = State::Following(0);
            return Page {
                phase: Phase::ListLast,
                resources: Vec::new(),
                removed: Vec::new(),
            };
        };
        let resumed = peer.holds.as_ref().filter(|holds| {
            holds.store_id == snapshot.store_id()
                && (snapshot.horizon()..=snapshot.revision()).contains(&holds.revision)
        });
        let (listing, cursor) = match (self.state, resumed) {
            (State::Asked, Some(holds)) if peer.is_portolan => (false, holds.revision),
            (State::Asked, _) => (true, 0),
            (State::Listing(cursor), _) => (true, cursor),
            // What was removed up to the horizon is forgotten: only a listing tells the truth.
            (State::Following(cursor), _) if cursor < snapshot.horizon() && peer.is_portolan => {
                (true, 0)
            }
            (State::Following(cursor), _) => (false, cursor),
        };
        let mut page = Page {
            phase: Phase::Delta,
            resources: Vec::new(),
            removed: Vec::new(),
        };
        let mut bytes = 0;
        let mut reached = snapshot.revision();
        for change in snapshot.changes_after(kind, cursor) {
            match &change {
                Change::Put(resource) if encoder.side().owns(resource) => {
                    let encoded = encoder.resource(resource, peer.hash_suffix);
                    bytes += encoded.resource.as_ref().map_or(0, |any| any.value.len());
                    page.resources.push(encoded);
                }
                Change::Deleted(key, _) if !listing => {
                    page.removed.push(encoder.removed(key, peer.hash_suffix));
                }
                Change::Put(_) | Change::Deleted(..) => {}
            }
            let full =
                page.resources.len() + page.removed.len() >= PAGE_RESOURCES || bytes >= PAGE_BYTES;
            if full && peer.is_portolan && change.revision() < snapshot.last_change(kind) {
                reached = change.revision();
                break;
            }
        }
        let more = reached < snapshot.last_change(kind);
        (page.phase, self.state) = match (listing, more) {
            (true, true) => (Phase::ListMore, State::Listing(reached)),
            (true, false) => (Phase::ListLast, State::Following(reached)),
            (false, _) => (Phase::Delta, State::Following(reached)),
        };
        page
    }
}
