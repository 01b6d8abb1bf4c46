//! What one proxy gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{envoy::Encoded, fault::Fault};

/// Resources of one type by name, shared while they do not change.
pub type Resources = Arc<BTreeMap<Arc<str>, Encoded>>;

/// The configuration of one gateway instance, BUILTIN or DELEGATED, or of one member; immutable.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Name of the MeshGateway that it comes from; nothing if none selects the instance.
    pub gateway: Option<Arc<str>>,
    /// Whether the instance is DELEGATED: it comes from no MeshGateway, but from its Dataplane's outbounds.
    pub is_delegated: bool,
    /// Whether it is no gateway: the proxy of a member of the mesh, or of a ZoneIngress.
    pub is_member: bool,
    /// Resources by type URL. Every type that a gateway is ever given is there, if only empty, so that
    /// a proxy that asks for it gets an answer.
    pub resources: BTreeMap<&'static str, Resources>,
    /// Name of the Secret with the keys of TLS session tickets, if listeners ask for it. All instances of a
    /// gateway ask for the same one, which is not among the resources: the zone makes it.
    pub ticket_keys: Option<Arc<str>>,
    /// What had to be left out, ordered.
    pub faults: Arc<[Fault]>,
    /// Whose certificates it takes beside those of its own mesh.
    pub trusts: Trusts,
}

/// The meshes whose authorities a proxy trusts beside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusts {
    /// Each by itself: gateways of these meshes are reached.
    pub meshes: BTreeSet<Arc<str>>,
    /// All together: members of any mesh come in.
    pub all: bool,
}

impl Trusts {
    /// No other mesh's.
    pub const NONE: Self = Self {
        meshes: BTreeSet::new(),
        all: false,
    };
}
