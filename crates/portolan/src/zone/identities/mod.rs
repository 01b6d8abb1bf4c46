//! Certificates of the zone's proxies in their meshes, made here and kept in memory alone.
//!
//! ```text
//!   Mesh + Secrets ─▶ Authorities ─┐
//!   Dataplane's tags ──────────────┼─▶ issue ─▶ identity_cert + mesh_ca, beside what was compiled
//!   the stream's admission ────────┘      ▲
//!                                         └── again at four fifths of a certificate's life
//! ```
//!
//! A certificate goes to the stream whose token was for the Dataplane as it is. If the Dataplane has other
//! tags since, the stream has to show its token again before it gets any.

mod authorities;
mod issue;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    iter,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use portolan_gateway::{Encoded, Trusts};
use portolan_identity::mesh::{WorkloadCertificate, WorkloadTags};
use portolan_model::{ResourceKey, Revision, kinds, proto::mesh::Dataplane};
use portolan_proto::mesh::DataplaneInsight;
use portolan_store::Snapshot;
use portolan_xds::{Resource, Resources};
use tracing::{info, warn};

use authorities::{Authorities, Signer};
use issue::{Order, issue};

use super::sessions::OpenStream;

/// Most certificates that are made at a time; other changes do not wait for more.
const ROUND: usize = 256;
/// How long to wait until a certificate is tried again that could not be made.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// What a proxy is told to use in its mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityState {
    /// When its certificate ends.
    pub(crate) expires: Timestamp,
    /// When it was made.
    pub(crate) issued: Timestamp,
    /// How many were made for this Dataplane so far.
    pub(crate) regenerations: u32,
    /// The backend that signed it.
    pub(crate) issued_backend: String,
    /// The backends whose certificates it trusts.
    pub(crate) supported_backends: Vec<String>,
}

/// What becomes of one proxy.
pub(super) enum Standing {
    /// Its mesh has no mutual TLS, or nothing that could sign.
    WithoutIdentity,
    /// Its turn has not come yet.
    Waits,
    /// It has to show its token again: its Dataplane is not what it was let in as.
    Stranger,
    /// These Secrets come with its configuration.
    Has(Arc<Resources>, IdentityState),
}

/// A Secret by the name under which proxies ask for it.
type Named = (Arc<str>, Resource);

/// The identities of all proxies that are connected.
#[derive(Default)]
pub(super) struct Identities {
    meshes: HashMap<Arc<str>, Authorities>,
    issued: HashMap<ResourceKey, Issued>,
    /// Proxies for which this signer could not make any, and when to try again.
    failed: HashMap<ResourceKey, (Arc<Signer>, Timestamp)>,
    /// The Secret with the certificates of all meshes' authorities.
    together: Option<Named>,
}

struct Issued {
    session: u64,
    tags: WorkloadTags,
    signer: Arc<Signer>,
    certificate: Resource,
    renew_at: Timestamp,
    state: IdentityState,
    /// What was given last, and the Secrets and the authorities that were joined with it.
    joined: Option<(Arc<Resources>, Vec<Named>, Arc<Resources>)>,
}

impl Identities {
    /// Takes over the meshes' authorities, forgets the proxies that left, and makes certificates for those
    /// that need one; whether more are waiting.
    pub(super) fn refresh(
        &mut self,
        stored: &Snapshot,
        open: &HashMap<ResourceKey, OpenStream>,
        now: Timestamp,
    ) -> bool {
        self.issued.retain(|dataplane, issued| {
            let stream = open.get(dataplane);
            stream.is_some_and(|stream| stream.id == issued.session)
        });
        self.failed
            .retain(|dataplane, (_, again)| open.contains_key(dataplane) && *again > now);
        self.follow(stored, now);
        let mut due: Vec<_> = open
            .iter()
            .filter_map(|(key, stream)| self.order(stored, key, stream, now))
            .collect();
        let more = due.len() > ROUND;
        due.truncate(ROUND);
        for (order, made) in issue(due, now) {
            match made {
                Ok(certificate) => self.keep(stored, order, &certificate),
                Err(error) => {
                    warn!(dataplane = %order.dataplane, %error, "no certificate for a proxy");
                    self.failed
                        .insert(order.dataplane, (order.signer, now + AGAIN));
                }
            }
        }
        more
    }

    /// Takes over the authorities of all meshes: gateways may let in members of any.
    fn follow(&mut self, stored: &Snapshot, now: Timestamp) {
        let all = stored.list(kinds::MESH, None);
        let all: HashSet<_> = all.map(|mesh| mesh.key.name.clone()).collect();
        let before = self.meshes.len();
        self.meshes.retain(|mesh, _| all.contains(mesh));
        let mut differs = self.meshes.len() != before || self.together.is_none();
        for mesh in all {
            let authorities = self.meshes.entry(mesh.clone()).or_default();
            differs |= authorities.follow(stored, &mesh, now);
        }
        if differs {
            let ordered: BTreeMap<_, _> = self.meshes.iter().collect();
            let certificates = ordered.values().map(|one| one.certificates());
            let together =
                portolan_gateway::all_authorities_secret(&certificates.collect::<String>());
            self.together = Some(named(together));
        }
    }

    /// The Secrets by which a proxy of a mesh knows whom to trust.
    fn trusted(&self, mesh: &str, trusts: &Trusts) -> Vec<Named> {
        let meshes = iter::once(mesh).chain(trusts.meshes.iter().map(|mesh| &**mesh));
        let each = meshes.filter_map(|mesh| self.meshes.get(mesh)?.trusted());
        let all = self.together.iter().filter(|_| trusts.all);
        each.chain(all).cloned().collect()
    }

    /// When the next certificate has to be made.
    pub(super) fn next_renewal(&self) -> Option<Timestamp> {
        let renewals = self.issued.iter().filter_map(|(dataplane, issued)| {
            let failed = self.failed.contains_key(dataplane);
            (!failed).then_some(issued.renew_at)
        });
        let again = self.failed.values().map(|(_, again)| *again);
        renewals.chain(again).min()
    }

    /// What becomes of a proxy whose Secrets, beside its identity and those it trusts, are these.
    pub(super) fn standing(
        &mut self,
        stored: &Snapshot,
        dataplane: &ResourceKey,
        stream: &OpenStream,
        secrets: &Arc<Resources>,
        trusts: &Trusts,
    ) -> Standing {
        let authorities = self.meshes.get(&dataplane.mesh);
        let Some(authorities) = authorities.filter(|known| known.trusted().is_some()) else {
            return Standing::WithoutIdentity;
        };
        let trusted = self.trusted(&dataplane.mesh, trusts);
        match tags_of(stored, dataplane) {
            Some(tags) if tags != *stream.admitted => return Standing::Stranger,
            Some(_) => {}
            None => return Standing::WithoutIdentity,
        }
        let Some(issued) = self.issued.get_mut(dataplane) else {
            return Standing::Waits;
        };
        issued.state.supported_backends = authorities.backends();
        let joined = match &issued.joined {
            Some((base, authorities, joined))
                if Arc::ptr_eq(base, secrets) && *authorities == trusted =>
            {
                joined.clone()
            }
            _ => {
                let mut joined = Resources::clone(secrets);
                let (name, _) = portolan_gateway::identity_secret(&dataplane.mesh, "", "");
                joined.insert(name, issued.certificate.clone());
                joined.extend(trusted.iter().cloned());
                let joined = Arc::new(joined);
                issued.joined = Some((secrets.clone(), trusted, joined.clone()));
                joined
            }
        };
        Standing::Has(joined, issued.state.clone())
    }

    fn order(
        &self,
        stored: &Snapshot,
        dataplane: &ResourceKey,
        stream: &OpenStream,
        now: Timestamp,
    ) -> Option<Order> {
        let signer = self.meshes.get(&dataplane.mesh)?.signer()?;
        let failed = self.failed.get(dataplane);
        if failed.is_some_and(|(by, _)| Arc::ptr_eq(by, signer)) {
            return None;
        }
        let tags = tags_of(stored, dataplane).filter(|tags| *tags == *stream.admitted)?;
        let reason = match self.issued.get(dataplane) {
            None => "the proxy has none yet",
            Some(issued) if issued.tags != tags => "the Dataplane has other tags",
            Some(issued) if !Arc::ptr_eq(&issued.signer, signer) => {
                "the mesh has another authority"
            }
            Some(issued) if issued.renew_at <= now => "the old one ends soon",
            Some(_) => return None,
        };
        Some(Order {
            dataplane: dataplane.clone(),
            session: stream.id,
            tags,
            signer: signer.clone(),
            reason,
        })
    }

    fn keep(&mut self, stored: &Snapshot, order: Order, made: &WorkloadCertificate) {
        let Order {
            dataplane,
            session,
            tags,
            signer,
            reason,
        } = order;
        info!(%dataplane, reason, expires = %made.expires, "made a certificate");
        self.failed.remove(&dataplane);
        let before = self.issued.get(&dataplane);
        let before = before.map_or_else(
            || told_regenerations(stored, &dataplane),
            |issued| issued.state.regenerations,
        );
        let (_, encoded) = portolan_gateway::identity_secret(
            &dataplane.mesh,
            &made.cert_pem,
            made.key_pem.expose(),
        );
        let state = IdentityState {
            expires: made.expires,
            issued: made.issued,
            regenerations: before.saturating_add(1),
            issued_backend: signer.backend.clone(),
            supported_backends: Vec::new(),
        };
        let issued = Issued {
            session,
            tags,
            signer,
            certificate: Resource {
                version: encoded.version,
                body: encoded.body,
            },
            renew_at: made.renew_at(),
            state,
            joined: None,
        };
        self.issued.insert(dataplane, issued);
    }
}

fn named((name, encoded): (Arc<str>, Encoded)) -> Named {
    let resource = Resource {
        version: encoded.version,
        body: encoded.body,
    };
    (name, resource)
}

/// What the zone said the last time, perhaps before it was started.
fn told_regenerations(stored: &Snapshot, dataplane: &ResourceKey) -> u32 {
    let key = ResourceKey {
        kind: kinds::DATAPLANE_INSIGHT,
        ..dataplane.clone()
    };
    let insight = stored.get(&key);
    let insight = insight.and_then(|insight| insight.spec_as::<DataplaneInsight>().ok());
    let told = insight.and_then(|insight| insight.m_tls);
    told.map_or(0, |mtls| mtls.certificate_regenerations)
}

fn tags_of(stored: &Snapshot, dataplane: &ResourceKey) -> Option<WorkloadTags> {
    let spec: Dataplane = stored.get(dataplane)?.spec_as().ok()?;
    Some(workload_tags(&spec))
}

/// All values of each tag of a Dataplane, of its gateway and of all its inbounds.
pub(super) fn workload_tags(spec: &Dataplane) -> WorkloadTags {
    let mut tags = BTreeMap::new();
    if let Some(networking) = &spec.networking {
        let gateway = networking.gateway.iter().flat_map(|gateway| &gateway.tags);
        let inbound = networking.inbound.iter().flat_map(|inbound| &inbound.tags);
        for (tag, value) in gateway.chain(inbound) {
            let values: &mut BTreeSet<String> = tags.entry(tag.clone()).or_default();
            values.insert(value.clone());
        }
    }
    tags
}

/// Where the sources of something are, each in its revision; nothing if it is not there.
type Sources = Vec<(ResourceKey, Option<Revision>)>;

#[cfg(test)]
mod tests;
