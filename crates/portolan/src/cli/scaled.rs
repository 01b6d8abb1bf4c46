//! How far zones are with MeshGatewayInstances, as `portolan get` shows it.

use portolan_api::status::{Scaled, Status, Zone};
use portolan_model::{kinds::mesh_gateway_instance::wanted, proto::status::MeshGatewayInstance};
use serde_json::{Map, Value, json};

/// Headings of [`columns`].
pub(super) const COLUMNS: [&str; 5] = ["ZONE", "WANTED", "RUNNING", "READY", "MESSAGE"];

/// Adds `status` to a MeshGatewayInstance: its counts in each zone and their sums. A zone's own control plane
/// tells of no zones, and adds nothing.
pub(super) fn add_to(item: &mut Value, status: &Status) {
    if status.zones.is_empty() {
        return;
    }
    let spec: MeshGatewayInstance = serde_json::from_value(item.clone()).unwrap_or_default();
    let (mut zones, mut sums) = (Map::new(), [0; 3]);
    for zone in &status.zones {
        let told = found(zone, item);
        let counts = [
            wanted(&spec, &zone.name),
            told.map_or(0, |told| told.running),
            told.map_or(0, |told| told.ready),
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
        let message = match told {
            Some(told) => &told.message,
            None if zone.online => "the zone has not told yet",
            None => "the zone is offline",
        };
        let mut of_zone = shown(counts);
        if !message.is_empty() {
            of_zone["message"] = message.into();
        }
        zones.insert(zone.name.clone(), of_zone);
    }
    let mut all = shown(sums);
    all["zones"] = zones.into();
    item["status"] = all;
}

fn shown([wanted, running, ready]: [u32; 3]) -> Value {
    json!({ "wanted": wanted, "running": running, "ready": ready })
}

/// What a zone says of a MeshGatewayInstance.
pub(super) fn found<'a>(zone: &'a Zone, item: &Value) -> Option<&'a Scaled> {
    let all = zone.scaled.iter();
    all.into_iter()
        .find(|told| item["mesh"] == *told.mesh && item["name"] == *told.name)
}

/// The item once for each zone, with the zone's counts as its status; once if no zone has ever connected.
pub(super) fn by_zone(item: &Value) -> Vec<Value> {
    let of_zone = |(name, status): (&String, &Value)| {
        let mut one = item.clone();
        one["status"] = status.clone();
        one["status"]["zone"] = name.as_str().into();
        one
    };
    match item["status"]["zones"].as_object() {
        Some(zones) if !zones.is_empty() => zones.iter().map(of_zone).collect(),
        _ => vec![item.clone()],
    }
}

/// The row of one zone.
pub(super) fn columns(item: &Value) -> Vec<String> {
    let status = &item["status"];
    let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
    let count = |field: &str| {
        let count = status[field].as_u64();
        count.map(|count| count.to_string()).unwrap_or_default()
    };
    vec![
        text("zone"),
        count("wanted"),
        count("running"),
        count("ready"),
        text("message"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, online: bool, scaled: &[Scaled]) -> Zone {
        Zone {
            name: name.to_owned(),
            online,
            scaled: scaled.to_vec(),
            ..Zone::default()
        }
    }

    #[test]
    fn each_zone_has_a_row_and_the_sums_are_told() {
        let told = Scaled {
            mesh: "default".to_owned(),
            name: "edge".to_owned(),
            wanted: 3,
            running: 3,
            ready: 2,
            message: "edge-3.host-1: no Envoy".to_owned(),
        };
        let other = Scaled {
            name: "other".to_owned(),
            ready: 9,
            ..told.clone()
        };
        let zones = vec![
            zone("zone-1", true, &[other, told]),
            zone("zone-2", true, &[]),
            zone("zone-3", false, &[]),
        ];
        let mut item = json!({ "mesh": "default", "name": "edge", "replicas": 2,
            "zoneReplicas": { "zone-1": 3 } });
        add_to(&mut item, &Status { revision: 1, zones });
        let rows: Vec<_> = by_zone(&item).iter().map(columns).collect();
        assert_eq!(
            rows,
            [
                ["zone-1", "3", "3", "2", "edge-3.host-1: no Envoy"],
                ["zone-2", "2", "0", "0", "the zone has not told yet"],
                ["zone-3", "2", "0", "0", "the zone is offline"],
            ]
        );
        let sums = ["wanted", "running", "ready"].map(|field| item["status"][field].as_u64());
        assert_eq!(sums, [Some(7), Some(3), Some(2)]);
    }

    #[test]
    fn without_zones_there_is_one_row_without_counts() {
        let mut item = json!({ "mesh": "default", "name": "edge" });
        add_to(&mut item, &Status::default());
        let rows: Vec<_> = by_zone(&item).iter().map(columns).collect();
        assert_eq!(rows, [["", "", "", "", ""]]);
    }
}
