//! `--wait`: until every online zone, and every gateway instance in it, serves a revision.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    time::{Duration, Instant},
};

use futures::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use portolan_api::status::{Status, Zone};
use portolan_model::Revision;

use super::{client::Client, errors::Failure, print};

/// How far one zone is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    zone: String,
    has_it: bool,
    serving: usize,
    instances: usize,
}

impl Progress {
    fn of(zone: &Zone, revision: Revision) -> Self {
        Self {
            zone: zone.name.clone(),
            has_it: zone.acknowledged_revision >= revision,
            serving: zone
                .instances
                .iter()
                .filter(|instance| instance.served_revision >= revision)
                .count(),
            instances: zone.instances.len(),
        }
    }

    fn is_done(&self) -> bool {
        self.has_it && self.serving == self.instances
    }

    fn text(&self) -> String {
        match (self.has_it, self.instances) {
            (false, _) => "waiting for the zone".to_owned(),
            (true, 0) => "has it; no gateway runs there".to_owned(),
            (true, instances) => {
                format!("{} of {instances} gateway instances serve it", self.serving)
            }
        }
    }
}

/// Where all stand: done, refused, or still on the way.
fn judge(status: &Status, revision: Revision) -> Result<(bool, Vec<Progress>), Failure> {
    let online = || status.zones.iter().filter(|zone| zone.online);
    for zone in online() {
        for instance in &zone.instances {
            if let Some(refused) = instance
                .refused
                .as_ref()
                .filter(|refused| refused.revision >= revision)
            {
                let kind = refused.type_url.rsplit('.').next().unwrap_or_default();
                return Err(Failure::InstanceRefused(format!(
                    "gateway instance {} in {} refused its {kind} and serves what it had: {}",
                    instance.name, zone.name, refused.message
                )));
            }
        }
    }
    let progress: Vec<_> = online().map(|zone| Progress::of(zone, revision)).collect();
    Ok((progress.iter().all(Progress::is_done), progress))
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
        Err(_) => {
            let missing = last.iter().filter(|progress| !progress.is_done());
            let missing: Vec<_> = missing
                .map(|progress| format!("{}: {}", progress.zone, progress.text()))
                .collect();
            Err(Failure::TimedOut(format!(
                "not served everywhere within {limit:?}\n  {}\nSee `portolan status`.",
                missing.join("\n  ")
            )))
        }
    }
}

/// A line for each zone: filling in on a terminal, else printed once it is done.
struct Lines {
    bars: Option<(MultiProgress, BTreeMap<String, ProgressBar>)>,
    printed: Vec<String>,
}

impl Lines {
    fn new() -> Self {
        let bars = std::io::stdout()
            .is_terminal()
            .then(|| (MultiProgress::new(), BTreeMap::new()));
        Self {
            bars,
            printed: Vec::new(),
        }
    }

    fn show(&mut self, progress: &[Progress], elapsed: Duration) {
        for zone in progress {
            let name = &zone.zone;
            let done = zone.is_done();
            let milliseconds = elapsed.as_millis();
            let text = if done {
                format!("{} ({milliseconds} ms)", zone.text())
            } else {
                zone.text()
            };
            if let Some((all, bars)) = &mut self.bars {
                let bar = bars
                    .entry(name.clone())
                    .or_insert_with(|| all.add(spinner(name)));
                if done && !bar.is_finished() {
                    bar.finish_with_message(text);
                } else if !done {
                    bar.set_message(text);
                }
            } else if done && !self.printed.contains(name) {
                print(&format!("{name}: {text}"));
                self.printed.push(name.clone());
            }
        }
    }
}

fn spinner(zone: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(zone.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix}: {msg}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use portolan_api::status::{Instance, Refused};

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
