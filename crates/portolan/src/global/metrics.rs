//! What a global knows of its zones, as metrics.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use portolan_api::status::{Status, Zone};
use portolan_kds::global::Server;
use portolan_model::Kind;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::sync::watch;

use crate::signals::{Sample, Sheet};

/// Reads the status and the sync server when it is asked.
pub(super) struct ZoneMetrics {
    /// Of all zones, whichever replica they are connected to.
    pub(super) status: watch::Receiver<Arc<Status>>,
    /// Of this process.
    pub(super) kds: Server,
}

impl fmt::Debug for ZoneMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneMetrics").finish_non_exhaustive()
    }
}

impl Collector for ZoneMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = Arc::clone(&self.status.borrow());
        let mut sheet = Sheet::new(encoder);
        let of_zones = |value: fn(&Zone) -> u64| {
            let zones = status.zones.iter();
            zones.map(move |zone| ([("zone", Cow::Owned(zone.name.clone()))], value(zone)))
        };
        sheet.gauges(
            ("portolan_zone_online", None),
            "Whether the zone is connected to a global",
            of_zones(|zone| zone.online.into()),
        )?;
        sheet.gauges(
            ("portolan_zone_acknowledged_revision", None),
            "The store's revision up to which the zone has everything on its disk",
            of_zones(|zone| zone.acknowledged_revision),
        )?;
        sheet.gauges(
            ("portolan_zone_proxies", None),
            "Gateway instances that are connected to the zone",
            of_zones(|zone| zone.instances.len() as u64),
        )?;
        sheet.gauges(
            ("portolan_zone_refusing_proxies", None),
            "Gateway instances of the zone that refused their configuration and keep the last good one",
            of_zones(|zone| {
                let instances = zone.instances.iter();
                instances.filter(|it| it.refused.is_some()).count() as u64
            }),
        )?;
        self.encode_sync(&mut sheet)
    }
}

impl ZoneMetrics {
    fn encode_sync(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let zones = self.kds.zones();
        let open = zones.borrow().values().filter(|zone| zone.online).count();
        sheet.gauge(
            ("portolan_kds_streams", None),
            "Zones that are connected to this process",
            open,
        )?;
        sheet.counters(
            ("portolan_kds_responses", None),
            "Messages with resources of a kind that zones answered",
            answers(self.kds.responses()),
        )
    }
}

/// By kind and answer. What a peer asks for that is no kind of ours counts together.
fn answers(counts: portolan_kds::global::Counts) -> Vec<Sample<2, u64>> {
    let mut by_kind = BTreeMap::<&str, [u64; 2]>::new();
    for (name, [_, acknowledged, refused]) in counts {
        let kind = Kind::by_name(&name).map_or("other", |kind| kind.name());
        let sums = by_kind.entry(kind).or_default();
        sums[0] += acknowledged;
        sums[1] += refused;
    }
    let samples = by_kind.into_iter().flat_map(|(kind, counts)| {
        let answers = ["acknowledged", "refused"].into_iter().zip(counts);
        answers.map(move |(answer, count)| {
            let labels = [("kind", kind.into()), ("answer", answer.into())];
            (labels, count)
        })
    });
    samples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_kinds_that_exist() {
        let counts = [
            ("MeshGateway", [3, 2, 1]),
            ("made-up-1", [4, 3, 1]),
            ("made-up-2", [1, 0, 1]),
        ];
        let counts = counts.map(|(kind, counts)| (kind.to_owned(), counts));
        let told = answers(counts.into());
        let told: Vec<_> = told
            .iter()
            .map(|([(_, kind), (_, answer)], count)| (&**kind, &**answer, *count))
            .collect();
        assert_eq!(
            told,
            [
                ("MeshGateway", "acknowledged", 2),
                ("MeshGateway", "refused", 1),
                ("other", "acknowledged", 3),
                ("other", "refused", 2),
            ]
        );
    }
}
