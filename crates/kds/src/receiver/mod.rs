//! The half that receives: what a response means for the store.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use portolan_model::{Kind, Labels, Resource, ResourceKey, Scope, labels, validation};
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Status},
    mesh::KumaResource,
    well_known::Timestamp as WireTime,
};
use portolan_store::{Batch, Expect, Snapshot, Watermark, Write};
use prost::Message;

use crate::{
    names::{belongs_to_zone, from_wire},
    progress::{Phase, Progress},
};

/// `INVALID_ARGUMENT` in gRPC.
const INVALID: i32 = 3;

/// Whose resources come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The global's, into a zone.
    Global,
    /// Those of the zone of that name, into the global.
    Zone(String),
}

/// What was received on one stream.
pub(crate) struct Receiver {
    from: From,
    /// The zone's name. Kuma reads the node of every request, and falls over one without.
    zone: String,
    kinds: BTreeMap<String, Progressing>,
}

/// A kind whose first listing is under way, or done.
#[derive(Debug, Default)]
struct Progressing {
    listed: bool,
    seen: BTreeSet<ResourceKey>,
}

/// What to write, and what to say once it is written.
pub(crate) struct Received {
    /// One transaction.
    pub(crate) batch: Batch,
    /// The acknowledgement, or with what was refused its refusal.
    pub(crate) answer: DeltaDiscoveryRequest,
}

impl Receiver {
    pub(crate) fn new(from: From, zone: &str) -> Self {
        Self {
            from,
            zone: zone.to_owned(),
            kinds: BTreeMap::new(),
        }
    }

    /// The request that asks for a kind.
    pub(crate) fn subscribe(kind: Kind) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            type_url: kind.name().to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            ..DeltaDiscoveryRequest::default()
        }
    }

    /// Reads a response against what is stored. What cannot be read is named in the answer; the rest is
    /// taken nevertheless.
    pub(crate) fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
        stored: &Snapshot,
    ) -> Received {
        let mut refused = Vec::new();
        let progress = Progress::parse(&response.system_version_info);
        let mut batch = Batch {
            watermark: progress.as_ref().and_then(watermark),
            ..Batch::default()
        };
        match Kind::by_name(&response.type_url).filter(|kind| self.from.sends(*kind)) {
            Some(kind) => {
                self.read(
                    kind,
                    &response,
                    progress.as_ref(),
                    stored,
                    &mut batch,
                    &mut refused,
                );
            }
            None => refused.push(format!(
                "{} is not a kind that is taken from there",
                response.type_url
            )),
        }
        let refusal = (!refused.is_empty()).then(|| Status {
            code: INVALID,
            message: refused.join("; "),
        });
        let again = if refusal.is_some() {
            vec!["*".to_owned()]
        } else {
            Vec::new()
        };
        let answer = DeltaDiscoveryRequest {
            node: Some(Node {
                id: self.zone.clone(),
                ..Node::default()
            }),
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: refusal,
            resource_names_subscribe: again,
            ..DeltaDiscoveryRequest::default()
        };
        Received { batch, answer }
    }

    fn read(
        &mut self,
        kind: Kind,
        response: &DeltaDiscoveryResponse,
        progress: Option<&Progress>,
        stored: &Snapshot,
        batch: &mut Batch,
        refused: &mut Vec<String>,
    ) {
        let mut written = BTreeMap::new();
        for resource in &response.resources {
            let wire = resource.resource.as_ref().map(|any| &*any.value);
            match self.from.write(kind, wire, stored) {
                Ok(read) => {
                    written.insert(read.key, (read.labels, read.spec, read.created));
                }
                Err(reason) => refused.push(format!("{}: {reason}", resource.name)),
            }
        }
        let mut gone: BTreeSet<ResourceKey> = response
            .removed_resources
            .iter()
            .filter_map(|wire| key(kind, wire))
            .filter(|key| !written.contains_key(key))
            .filter(|key| {
                stored
                    .get(key)
                    .is_some_and(|held| self.from.owns(&held.labels))
            })
            .collect();
        gone.extend(self.unlisted(kind, progress, &written, stored));
        batch.writes = gone
            .into_iter()
            .map(|key| Write::Delete {
                key,
                expect: Expect::Any,
            })
            .chain(
                written
                    .into_iter()
                    .map(|(key, (labels, spec, created))| Write::Put {
                        key,
                        labels,
                        spec,
                        expect: Expect::Any,
                        created,
                    }),
            )
            .collect();
    }

    /// At the end of a full listing: what is stored and was not listed.
    fn unlisted<V>(
        &mut self,
        kind: Kind,
        progress: Option<&Progress>,
        written: &BTreeMap<ResourceKey, V>,
        stored: &Snapshot,
    ) -> Vec<ResourceKey> {
        let state = self.kinds.entry(kind.name().to_owned()).or_default();
        // Kuma says nothing of its progress: there, the first response is the whole listing.
        let phase = match progress {
            Some(progress) => progress.phase,
            None if state.listed => Phase::Delta,
            None => Phase::List,
        };
        state.listed = true;
        if matches!(phase, Phase::List | Phase::ListFirst) {
            state.seen.clear();
        }
        match phase {
            Phase::Delta => Vec::new(),
            Phase::ListFirst | Phase::ListMore => {
                state.seen.extend(written.keys().cloned());
                Vec::new()
            }
            Phase::List | Phase::ListLast => {
                let seen = std::mem::take(&mut state.seen);
                let listed = |key: &ResourceKey| seen.contains(key) || written.contains_key(key);
                stored
                    .list(kind, None)
                    .filter(|held| self.from.owns(&held.labels) && !listed(&held.key))
                    .map(|held| held.key.clone())
                    .collect()
            }
        }
    }
}

/// A resource that was read.
struct Readable {
    key: ResourceKey,
    labels: Labels,
    spec: Bytes,
    created: Option<Timestamp>,
}

impl From {
    /// Whether a stored resource came from there, and so may be removed from there.
    fn owns(&self, labels: &Labels) -> bool {
        let label = |name: &str| labels.get(name).map(String::as_str);
        match self {
            Self::Global => label(labels::ORIGIN) == Some(labels::ORIGIN_GLOBAL),
            Self::Zone(zone) => {
                label(labels::ORIGIN) == Some(labels::ORIGIN_ZONE)
                    && label(labels::ZONE) == Some(zone)
            }
        }
    }

    /// Whether resources of the kind come from there at all.
    fn sends(&self, kind: Kind) -> bool {
        match self {
            Self::Global => kind.direction.to_zone(),
            Self::Zone(_) => kind.direction.to_global(),
        }
    }

    /// Whether a stored resource was written by somebody else, who alone may change it.
    fn is_foreign(&self, held: &Resource) -> bool {
        let label = |name: &str| held.labels.get(name).map(String::as_str);
        match self {
            Self::Global => label(labels::ORIGIN) == Some(labels::ORIGIN_ZONE),
            Self::Zone(zone) => {
                label(labels::ORIGIN) == Some(labels::ORIGIN_GLOBAL)
                    || label(labels::ZONE).is_some_and(|other| other != zone)
            }
        }
    }

    fn write(
        &self,
        kind: Kind,
        wire: Option<&[u8]>,
        stored: &Snapshot,
    ) -> Result<Readable, String> {
        let resource = KumaResource::decode(wire.unwrap_or_default())
            .map_err(|error| format!("not readable: {error}"))?;
        let meta = resource.meta.ok_or("it has no meta")?;
        let violations = validation::name(&meta.name);
        if !violations.is_empty() {
            return Err(violations.to_string());
        }
        if (kind.scope == Scope::Mesh) == meta.mesh.is_empty() {
            return Err(format!("{kind} does not fit the mesh {:?}", meta.mesh));
        }
        let spec = resource.spec.map(|any| any.value).unwrap_or_default();
        let spec = kind
            .spec_from_wire(&spec)
            .map_err(|error| error.to_string())?;
        let created = self.created(meta.creation_time.as_ref());
        let mut all: Labels = meta.labels;
        match self {
            Self::Global => {
                all.insert(labels::ORIGIN.to_owned(), labels::ORIGIN_GLOBAL.to_owned());
            }
            Self::Zone(zone) => {
                if !belongs_to_zone(&meta.name, &meta.mesh, &all, zone) {
                    return Err(format!("the name does not belong to zone {zone}"));
                }
                all.insert(labels::ORIGIN.to_owned(), labels::ORIGIN_ZONE.to_owned());
                all.insert(labels::ZONE.to_owned(), zone.clone());
            }
        }
        let key = ResourceKey {
            kind,
            mesh: meta.mesh.into(),
            name: meta.name.into(),
        };
        if stored.get(&key).is_some_and(|held| self.is_foreign(held)) {
            return Err("a resource of that name was written by somebody else".to_owned());
        }
        Ok(Readable {
            key,
            labels: all,
            spec,
            created,
        })
    }

    /// When a resource was created, as its sender says. A Kuma global says nothing, and when each zone first
    /// heard of it differs from zone to zone: nobody knows, and between equals names decide.
    fn created(&self, told: Option<&WireTime>) -> Option<Timestamp> {
        let told = told.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
        match self {
            Self::Global => Some(told.unwrap_or(Timestamp::UNIX_EPOCH)),
            Self::Zone(_) => told,
        }
    }
}

fn key(kind: Kind, wire: &str) -> Option<ResourceKey> {
    let (name, mesh) = from_wire(wire)?;
    Some(ResourceKey {
        kind,
        mesh: mesh.into(),
        name: name.into(),
    })
}

fn watermark(progress: &Progress) -> Option<Watermark> {
    let revision = progress.mark?;
    Some(Watermark {
        store_id: progress.store_id.clone(),
        revision,
    })
}
