//! Whom a backend names, and the cluster that serves it behind one listener.

use portolan_model::tags::{MESH, PROTOCOL, SERVICE, Tags};
use xxhash_rust::xxh3::Xxh3;

/// The tags that a backend's instances carry, `kuma.io/service` among them. Ordered by tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    tags: Tags,
}

impl Destination {
    /// Of `tags`, unless they name no service.
    pub fn new(tags: Tags) -> Option<Self> {
        tags.contains_key(SERVICE).then_some(Self { tags })
    }

    /// All the tags.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Whether its tags say that its instances speak gRPC.
    pub fn says_grpc(&self) -> bool {
        let protocol = self.tags.get(PROTOCOL);
        protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("grpc"))
    }

    /// The value of `kuma.io/mesh`: the mesh of a gateway that is there for members of others.
    pub fn mesh(&self) -> Option<&str> {
        self.tags.get(MESH).map(String::as_str)
    }

    /// The value of `kuma.io/service`.
    pub fn service(&self) -> &str {
        self.tags.get(SERVICE).map_or("", String::as_str)
    }
}

/// The name of the cluster for a destination behind a listener with these tags: `SERVICE-HASH`.
///
/// Policies choose by both sets of tags, so a cluster belongs to exactly one of each.
pub fn cluster_name(destination: &Destination, listener_tags: &Tags) -> String {
    let mut hash = Xxh3::new();
    for tags in [&destination.tags, listener_tags] {
        for (name, value) in tags {
            for text in [name, value] {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        hash.update(&u64::MAX.to_le_bytes());
    }
    format!("{}-{:016x}", destination.service(), hash.digest())
}
