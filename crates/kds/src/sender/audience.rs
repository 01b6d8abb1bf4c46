//! Who gets what zones wrote and the global passes on: every other zone, while the writer's is enabled.

use std::collections::BTreeSet;

use portolan_model::{Direction, Kind, Resource, ResourceKey, Revision, kinds, labels};
use portolan_proto::system::Zone;
use portolan_store::Snapshot;

/// One zone that gets things, and what is known of the others.
pub(super) struct Audience<'a> {
    /// The zone that gets; nothing on the way up.
    pub(super) zone: Option<&'a str>,
    pub(super) snapshot: &'a Snapshot,
}

/// Whether zones of which something changed change who gets resources of a kind.
pub(super) fn follows_zones(kind: Kind) -> bool {
    kind.direction == Direction::AcrossZones
}

impl Audience<'_> {
    /// Whether the zone gets a resource that may be sent.
    pub(super) fn gets(&self, resource: &Resource) -> bool {
        let Some(zone) = self.zone.filter(|_| follows_zones(resource.key.kind)) else {
            return true;
        };
        writer(resource).is_some_and(|writer| writer != zone && self.is_enabled(writer))
    }

    /// The other zones of which something changed after `since`: they may be enabled now, or disabled.
    pub(super) fn turned(&self, kind: Kind, since: Revision) -> BTreeSet<String> {
        let Some(zone) = self.zone.filter(|_| follows_zones(kind)) else {
            return BTreeSet::new();
        };
        let changes = self.snapshot.changes_after(kinds::ZONE, since);
        let names = changes.map(|change| change.key().name.to_string());
        names.filter(|name| name != zone).collect()
    }

    /// A zone that nobody wrote down is not disabled, as in Kuma.
    fn is_enabled(&self, zone: &str) -> bool {
        let zone = self.snapshot.get(&ResourceKey::global(kinds::ZONE, zone));
        let spec = zone.and_then(|zone| zone.spec_as::<Zone>().ok());
        spec.and_then(|zone| zone.enabled)
            .is_none_or(|enabled| enabled.value)
    }
}

/// The zone that a resource comes from.
pub(super) fn writer(resource: &Resource) -> Option<&str> {
    resource.labels.get(labels::ZONE).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use portolan_proto::well_known::BoolValue;
    use portolan_store::{Expect, Store, Write};
    use prost::Message;

    use super::*;
    use crate::{
        encode::Encoder,
        fixtures::{
            acknowledge, ask, delete, drain, kuma, labels, portolan, put_labelled, snapshot, store,
            write,
        },
        names::Side,
        sender::Sender,
    };

    fn ingress(name: &str) -> ResourceKey {
        ResourceKey::global(kinds::ZONE_INGRESS, name)
    }

    async fn put_ingress(store: &dyn Store, name: &str, zone: &str, value: &str) {
        let labels = labels([
            (labels::ORIGIN, labels::ORIGIN_ZONE),
            (labels::ZONE, zone),
            ("value", value),
        ]);
        put_labelled(store, ingress(name), labels).await;
    }

    async fn enable(store: &dyn Store, zone: &str, value: bool) {
        let spec = Zone {
            enabled: Some(BoolValue { value }),
        };
        let put = Write::Put {
            key: ResourceKey::global(kinds::ZONE, zone),
            labels: Default::default(),
            spec: spec.encode_to_vec().into(),
            expect: Expect::Any,
            created: None,
        };
        write(store, put).await;
    }

    /// What goes out now: put names, then removed ones with a minus. All of it is acknowledged.
    fn sent(sender: &mut Sender, store: &dyn Store) -> Vec<String> {
        let mut told = Vec::new();
        for response in drain(sender, &snapshot(store)) {
            told.extend(response.resources.iter().map(|one| one.name.clone()));
            told.extend(
                response
                    .removed_resources
                    .iter()
                    .map(|one| format!("-{one}")),
            );
            sender.hear(acknowledge(&response));
        }
        told
    }

    #[tokio::test]
    async fn every_enabled_zone_is_known_to_the_others() {
        for node in [kuma(), portolan([kinds::ZONE_INGRESS].into_iter(), None)] {
            let store = store();
            let store = &*store;
            put_ingress(store, "a", "east", "1").await;
            put_ingress(store, "b", "west", "2").await;
            put_ingress(store, "c", "zone-1", "3").await;
            enable(store, "west", false).await;
            let mut sender = Sender::new("global", Encoder::new(Side::Global)).for_zone("zone-1");
            sender.hear(ask(kinds::ZONE_INGRESS, &node));
            // Names are those that the zones gave; its own and those of a disabled zone are not sent.
            assert_eq!(sent(&mut sender, store), ["a."]);

            put_ingress(store, "b", "west", "4").await;
            put_ingress(store, "c", "zone-1", "5").await;
            assert_eq!(sent(&mut sender, store), [""; 0]);
            enable(store, "west", true).await;
            assert_eq!(sent(&mut sender, store), ["b."]);
            put_ingress(store, "b", "west", "6").await;
            assert_eq!(sent(&mut sender, store), ["b."]);

            enable(store, "east", false).await;
            enable(store, "zone-1", false).await;
            assert_eq!(sent(&mut sender, store), ["-a."]);
            enable(store, "east", true).await;
            put_ingress(store, "a", "east", "7").await;
            assert_eq!(sent(&mut sender, store), ["a."]);
            delete(store, ingress("b")).await;
            assert_eq!(sent(&mut sender, store), ["-b."]);
        }
    }
}
