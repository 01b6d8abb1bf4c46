//! One kind that a peer asked for: how much of it has been sent, and what comes next.

use portolan_model::{Kind, Resource, Revision, kinds};
use portolan_proto::discovery::Resource as WireResource;
use portolan_store::{Change, Snapshot};

use super::{
    Overtaken,
    audience::{Audience, follows_zones, writer},
};
use crate::{encode::Encoder, peer::Peer, progress::Phase};

/// Where a page ends, for peers that understand pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLimits {
    /// Most resources.
    pub(super) resources: usize,
    /// It ends once it is so large.
    pub(super) bytes: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self {
            resources: 500,
            bytes: 1024 * 1024,
        }
    }
}

/// One kind that the peer asked for.
#[derive(Debug)]
pub(super) struct Subscription {
    /// `None` for a kind that we do not have.
    kind: Option<Kind>,
    /// `None` before the first response.
    cursor: Option<Cursor>,
    /// The nonce of the response that waits for its answer.
    pub(super) in_flight: Option<String>,
}

/// How much has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// Everything up to it.
    reached: Revision,
    /// In the middle of a full listing: the revision at which it began. What was removed before is not
    /// in it anyway; what was removed since must be told.
    listing: Option<Revision>,
}

impl Cursor {
    fn following(reached: Revision) -> Self {
        Self {
            reached,
            listing: None,
        }
    }

    fn listing(snapshot: &Snapshot) -> Self {
        Self {
            reached: 0,
            listing: Some(snapshot.revision()),
        }
    }

    /// Deletions from this revision on must be known to go on from here.
    fn remembers_from(self) -> Revision {
        self.listing.unwrap_or(self.reached)
    }
}

/// The content of one response.
pub(super) struct Page {
    pub(super) phase: Phase,
    pub(super) resources: Vec<WireResource>,
    pub(super) removed: Vec<String>,
}

impl Page {
    fn empty(phase: Phase) -> Self {
        Self {
            phase,
            resources: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl Subscription {
    pub(super) fn new(kind: Option<Kind>) -> Self {
        Self {
            kind,
            cursor: None,
            in_flight: None,
        }
    }

    /// Whether the next response may go out.
    pub(super) fn is_due(&self, snapshot: &Snapshot) -> bool {
        self.in_flight.is_none() && self.is_behind(snapshot)
    }

    /// Whether something is still to be sent.
    pub(super) fn is_behind(&self, snapshot: &Snapshot) -> bool {
        match (self.cursor, self.kind) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(cursor), Some(kind)) => {
                cursor.listing.is_some()
                    || snapshot.last_change(kind) > cursor.reached
                    || follows_zones(kind) && snapshot.last_change(kinds::ZONE) > cursor.reached
                    || snapshot.horizon() > cursor.reached
            }
        }
    }

    /// Where nothing of the kind has changed, nothing needs to be sent to have reached the snapshot. A
    /// cursor that stood still would fall behind the horizon.
    pub(super) fn keep_up(&mut self, snapshot: &Snapshot) {
        if self.is_behind(snapshot) {
            return;
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.reached = cursor.reached.max(snapshot.revision());
        }
    }

    /// The next response; the cursor moves over what is in it. `resume` is the revision up to which the
    /// peer has everything already.
    pub(super) fn advance(
        &mut self,
        audience: &Audience<'_>,
        peer: &Peer,
        resume: Option<Revision>,
        encoder: &Encoder,
        limits: PageLimits,
    ) -> Result<Page, Overtaken> {
        let snapshot = audience.snapshot;
        let Some(kind) = self.kind else {
            self.cursor = Some(Cursor::following(snapshot.revision()));
            // Of a kind that we do not know, we do not know either that there is none.
            return Ok(Page::empty(Phase::Delta));
        };
        let from = self.from(snapshot, peer, resume)?;
        let mut page = Page::empty(Phase::Delta);
        let mut bytes = 0;
        let mut reached = snapshot.revision();
        let turned = audience.turned(kind, from.remembers_from());
        let is_of_turned =
            |resource: &Resource| writer(resource).is_some_and(|zone| turned.contains(zone));
        for change in snapshot.changes_after(kind, from.reached) {
            match &change {
                Change::Put(resource)
                    if encoder.side().owns(resource)
                        && audience.gets(resource)
                        && !is_of_turned(resource) =>
                {
                    match encoder.resource(resource, peer.hash_suffix) {
                        Some(encoded) => {
                            bytes += encoded.resource.as_ref().map_or(0, |any| any.value.len());
                            page.resources.push(encoded);
                        }
                        // The peer may have something of its earlier content.
                        None => {
                            let removed = encoder.removed(&resource.key, peer.hash_suffix);
                            page.removed.extend(removed);
                        }
                    }
                }
                Change::Deleted(key, revision) if *revision > from.remembers_from() => {
                    page.removed.extend(encoder.removed(key, peer.hash_suffix));
                }
                Change::Put(_) | Change::Deleted(..) => {}
            }
            let is_full = page.resources.len() + page.removed.len() >= limits.resources
                || bytes >= limits.bytes;
            if is_full && peer.is_portolan && change.revision() < snapshot.last_change(kind) {
                reached = change.revision();
                break;
            }
        }
        if !turned.is_empty() {
            let all = snapshot.list(kind, None);
            for resource in all.filter(|one| encoder.side().owns(one) && is_of_turned(one)) {
                let hashed = peer.hash_suffix;
                match audience.gets(resource) {
                    true => page.resources.extend(encoder.resource(resource, hashed)),
                    false => page.removed.extend(encoder.name(&resource.key, hashed)),
                }
            }
        }
        let more = reached < snapshot.last_change(kind);
        page.phase = phase(from, more);
        self.cursor = Some(Cursor {
            reached,
            listing: from.listing.filter(|_| more),
        });
        Ok(page)
    }

    /// Where the next response begins.
    fn from(
        &self,
        snapshot: &Snapshot,
        peer: &Peer,
        resume: Option<Revision>,
    ) -> Result<Cursor, Overtaken> {
        match (self.cursor, resume) {
            (None, Some(revision)) => Ok(Cursor::following(revision)),
            (None, None) => Ok(Cursor::listing(snapshot)),
            (Some(cursor), _) if cursor.remembers_from() >= snapshot.horizon() => Ok(cursor),
            // What was removed up to the horizon is forgotten: only a listing tells the truth.
            (Some(_), _) if peer.is_portolan => Ok(Cursor::listing(snapshot)),
            (Some(_), _) => Err(Overtaken),
        }
    }
}

fn phase(from: Cursor, more: bool) -> Phase {
    let first = from.reached == 0;
    match (from.listing, first, more) {
        (None, ..) => Phase::Delta,
        (Some(_), true, true) => Phase::ListFirst,
        (Some(_), true, false) => Phase::List,
        (Some(_), false, true) => Phase::ListMore,
        (Some(_), false, false) => Phase::ListLast,
    }
}
