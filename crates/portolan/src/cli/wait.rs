//! `--wait`: until every online zone, and every gateway instance and member in it, serves a revision.

use std::time::{Duration, Instant};

use futures::StreamExt;
use portolan_api::status::{Instance, Status, Zone};
use portolan_model::Revision;

use super::{
    client::Client,
    errors::Failure,
    print,
    progress::{Line, Lines, missing},
};

/// How far one zone is.
fn line(zone: &Zone, revision: Revision) -> Line {
    let has_it = zone.acknowledged_revision >= revision;
    let serves = |instance: &&Instance| instance.served_revision >= revision;
    let counted = |serving: usize, all: usize, what: &str| {
        (all > 0).then(|| format!("{serving} of {all} {what}"))
    };
    let gateways = counted(
        zone.gateways().filter(serves).count(),
        zone.gateways().count(),
        "gateway instances",
    );
    let members = counted(
        zone.members().filter(serves).count(),
        zone.members().count(),
        "members",
    );
    let proxies: Vec<_> = gateways.into_iter().chain(members).collect();
    Line {
        zone: zone.name.clone(),
        text: match (has_it, proxies.is_empty()) {
            (false, _) => "waiting for the zone".to_owned(),
            (true, true) => "has it; no gateway runs there".to_owned(),
            (true, false) => format!("{} serve it", proxies.join(" and ")),
        },
        is_done: has_it && zone.instances.iter().all(|instance| serves(&instance)),
    }
}

/// Where all stand: done, refused, or still on the way.
fn judge(status: &Status, revision: Revision) -> Result<(bool, Vec<Line>), Failure> {
    let online = || status.zones.iter().filter(|zone| zone.online);
    for zone in online() {
        for instance in &zone.instances {
            if let Some(refused) = instance
                .refused
                .as_ref()
                .filter(|refused| refused.revision >= revision)
            {
                let kind = refused.type_url.rsplit('.').next().unwrap_or_default();
                let what = if instance.member {
                    "member"
                } else {
                    "gateway instance"
                };
                return Err(Failure::InstanceRefused(format!(
                    "{what} {} in {} refused its {kind} and serves what it had: {}",
                    instance.name, zone.name, refused.message
                )));
            }
        }
    }
    let lines: Vec<_> = online().map(|zone| line(zone, revision)).collect();
    Ok((lines.iter().all(|line| line.is_done), lines))
}

/// Follows the status until all serve the revision.
pub(crate) async fn until_served(
    client: &Client,
    revision: Revision,
    limit: Duration,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut lines = Lines::new();
    let mut last = Vec::new();
    let follow = async {
        let mut statuses = client.lines::<Status>("/_status?watch=true").await?;
        while let Some(status) = statuses.next().await {
            let (done, progress) = judge(&status?, revision)?;
            lines.show(&progress, start.elapsed());
            last = progress;
            if done {
                return Ok(());
            }
        }
        Err(Failure::Other(
            "the control plane ended the stream of its status".to_owned(),
        ))
    };
    match tokio::time::timeout(limit, follow).await {
        Ok(ended) => {
            ended?;
            if last.is_empty() {
                print("no zone is online; it will get this when it connects");
            }
            Ok(())
        }
        Err(_) => Err(Failure::TimedOut(format!(
            "not served everywhere within {limit:?}\n  {}\nSee `portolan status`.",
            missing(&last)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use portolan_api::status::Refused;

    use super::*;

    fn zone(name: &str, acknowledged: Revision, served: &[Revision]) -> Zone {
        let instance = |served: &Revision| Instance {
            name: "gw".to_owned(),
            gateway: "edge".to_owned(),
            served_revision: *served,
            ..Instance::default()
        };
        Zone {
            name: name.to_owned(),
            online: true,
            acknowledged_revision: acknowledged,
            instances: served.iter().map(instance).collect(),
            ..Zone::default()
        }
    }

    #[test]
    fn all_instances_of_all_online_zones_must_serve() {
        let offline = Zone {
            online: false,
            ..zone("z", 0, &[0])
        };
        let cases = [
            (vec![], true),
            (vec![zone("a", 7, &[])], true),
            (vec![zone("a", 7, &[7, 8])], true),
            (vec![zone("a", 7, &[7, 6])], false),
            (vec![zone("a", 6, &[])], false),
            (vec![zone("a", 7, &[7]), offline], true),
        ];
        for (zones, expected) in cases {
            let status = Status { revision: 9, zones };
            assert_eq!(
                judge(&status, 7).map(|(done, _)| done).ok(),
                Some(expected),
                "{status:?}"
            );
        }
    }

    #[test]
    fn gateway_instances_and_members_are_told_apart() {
        let mut zone = zone("a", 7, &[7, 6]);
        assert_eq!(line(&zone, 7).text, "1 of 2 gateway instances serve it");
        zone.instances[1].member = true;
        let both = "1 of 1 gateway instances and 0 of 1 members serve it";
        assert_eq!(line(&zone, 7).text, both);
        assert!(!line(&zone, 7).is_done);
        zone.instances.remove(0);
        assert_eq!(line(&zone, 6).text, "1 of 1 members serve it");
        assert!(line(&zone, 6).is_done);
        zone.instances.clear();
        assert_eq!(line(&zone, 7).text, "has it; no gateway runs there");
    }

    #[test]
    fn a_refusal_of_this_revision_or_later_ends_the_wait() {
        let mut refusing = zone("a", 7, &[5]);
        let refused = |revision| Refused {
            revision,
            message: "no".to_owned(),
            ..Refused::default()
        };
        refusing.instances[0].refused = Some(refused(6));
        let status = |zone: &Zone| Status {
            revision: 9,
            zones: vec![zone.clone()],
        };
        assert!(judge(&status(&refusing), 7).is_ok());
        refusing.instances[0].refused = Some(refused(7));
        assert!(matches!(
            judge(&status(&refusing), 7),
            Err(Failure::InstanceRefused(_))
        ));
    }
}
