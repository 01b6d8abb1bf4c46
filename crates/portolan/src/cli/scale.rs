//! `portolan scale`.

use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use futures::StreamExt;
use portolan_api::status::{Status, Zone};
use portolan_model::{
    kinds, kinds::mesh_gateway_instance::wanted, proto::status::MeshGatewayInstance,
};
use serde_json::Value;

use super::{
    client::Client,
    delete::collection,
    errors::Failure,
    print,
    progress::{Line, Lines, missing},
    scaled,
};
use crate::server::duration;

/// How often the write is tried again when somebody else was faster.
const ATTEMPTS: usize = 5;

/// Says how many instances of a gateway run in a zone.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan scale edge-gateway --zone zone-1 --replicas 3 --wait
  portolan scale edge-gateway --replicas 2    # in all zones without a number of their own

Exit codes: 0 done, 1 failed, 3 refused, 4 --wait timed out")]
pub(crate) struct Args {
    /// Name of the MeshGatewayInstance
    name: String,

    /// The zone [default: all that have no number of their own]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// How many instances
    #[arg(long, value_name = "COUNT")]
    replicas: u32,

    /// The mesh
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Returns when so many instances serve, and those that are too many have ended
    #[arg(long)]
    wait: bool,

    /// How long --wait waits
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
}

/// Writes, and waits if it is to.
pub(crate) async fn run(args: Args, client: &Client) -> Result<(), Failure> {
    let status: Status =
        serde_json::from_value(client.get("/_status").await?).map_err(Failure::other)?;
    if let Some(zone) = &args.zone
        && !status.zones.iter().any(|known| known.name == *zone)
    {
        print(&format!("warning: no zone {zone:?} has ever connected"));
    }
    let written = write(&args, client).await?;
    if args.wait {
        until_scaled(&args, client, &written).await?;
    }
    Ok(())
}

/// The MeshGatewayInstance as it was written.
async fn write(args: &Args, client: &Client) -> Result<Value, Failure> {
    let kind = kinds::MESH_GATEWAY_INSTANCE;
    let path = format!("{}/{}", collection(kind, &args.mesh), args.name);
    let mut attempts = ATTEMPTS;
    loop {
        let (mut resource, version) =
            client
                .get_version(&path)
                .await
                .map_err(|failure| match failure {
                    Failure::NotFound(_) => Failure::NotFound(missing_resource(args)),
                    other => other,
                })?;
        let before = spec(&resource);
        match &args.zone {
            Some(zone) => resource["zoneReplicas"][zone] = args.replicas.into(),
            None => resource["replicas"] = args.replicas.into(),
        }
        match client.put_version(&path, &resource, &version).await {
            Ok(revision) => {
                let count = |spec: &MeshGatewayInstance| match &args.zone {
                    Some(zone) => wanted(spec, zone),
                    None => wanted(spec, ""),
                };
                print(&format!(
                    "{kind} {}/{} in {}: replicas {} -> {} (revision {revision})",
                    args.mesh,
                    args.name,
                    args.zone.as_deref().unwrap_or("every other zone"),
                    count(&before),
                    args.replicas,
                ));
                return Ok(resource);
            }
            Err(Failure::Conflict(_)) if attempts > 1 => attempts -= 1,
            Err(failure) => return Err(failure),
        }
    }
}

fn spec(resource: &Value) -> MeshGatewayInstance {
    serde_json::from_value(resource.clone()).unwrap_or_default()
}

fn missing_resource(args: &Args) -> String {
    let Args { name, mesh, .. } = args;
    format!(
        "there is no MeshGatewayInstance {mesh}/{name}; create it, for example with `portolan apply -f -` of\n  \
         type: MeshGatewayInstance\n  mesh: {mesh}\n  name: {name}\n  replicas: 1\n  \
         tags: {{ kuma.io/service: {name} }}"
    )
}

/// How far a zone is; `written` is what it is to follow.
fn line(zone: &Zone, written: &Value) -> Line {
    let goal = wanted(&spec(written), &zone.name);
    let told = scaled::found(zone, written).filter(|_| zone.online);
    let (text, is_done) = match told {
        Some(told) if told.wanted == goal => {
            let reason = match &*told.message {
                "" => String::new(),
                message => format!("; {message}"),
            };
            let text = format!(
                "{} of {goal} ready, {} running{reason}",
                told.ready, told.running
            );
            (text, told.ready == goal && told.running == goal)
        }
        _ if zone.online => ("waiting for the zone".to_owned(), false),
        _ => ("the zone is offline".to_owned(), false),
    };
    Line {
        zone: zone.name.clone(),
        text,
        is_done,
    }
}

/// The zones that the command is about. Without a name these are all that can answer.
fn lines(args: &Args, status: &Status, written: &Value) -> Vec<Line> {
    match &args.zone {
        Some(name) => {
            let zone = status.zones.iter().find(|zone| zone.name == *name);
            let unknown = Zone {
                name: name.clone(),
                ..Zone::default()
            };
            vec![line(zone.unwrap_or(&unknown), written)]
        }
        None => {
            let online = status.zones.iter().filter(|zone| zone.online);
            online.map(|zone| line(zone, written)).collect()
        }
    }
}

async fn until_scaled(args: &Args, client: &Client, written: &Value) -> Result<(), Failure> {
    let start = Instant::now();
    let mut shown = Lines::new();
    let mut last = Vec::new();
    let follow = async {
        let mut statuses = client.lines::<Status>("/_status?watch=true").await?;
        while let Some(status) = statuses.next().await {
            last = lines(args, &status?, written);
            shown.show(&last, start.elapsed());
            if last.iter().all(|line| line.is_done) {
                return Ok(());
            }
        }
        Err(Failure::Other(
            "the control plane ended the stream of its status".to_owned(),
        ))
    };
    match tokio::time::timeout(args.timeout, follow).await {
        Ok(ended) => ended,
        Err(_) => Err(Failure::TimedOut(format!(
            "not scaled within {:?}\n  {}\nSee `portolan get meshgatewayinstances`.",
            args.timeout,
            missing(&last)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use portolan_api::status::Scaled;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_zone_is_done_when_all_serve_and_nothing_more_runs() {
        let written = json!({ "mesh": "default", "name": "edge", "zoneReplicas": { "zone-1": 3 } });
        let zone = |online, wanted, running, ready, message: &str| Zone {
            name: "zone-1".to_owned(),
            online,
            scaled: vec![Scaled {
                mesh: "default".to_owned(),
                name: "edge".to_owned(),
                wanted,
                running,
                ready,
                message: message.to_owned(),
            }],
            ..Zone::default()
        };
        for (zone, text, is_done) in [
            (zone(true, 3, 3, 3, ""), "3 of 3 ready, 3 running", true),
            (zone(true, 3, 4, 3, ""), "3 of 3 ready, 4 running", false),
            (zone(true, 3, 3, 2, ""), "2 of 3 ready, 3 running", false),
            (
                zone(true, 3, 0, 0, "no pool"),
                "0 of 3 ready, 0 running; no pool",
                false,
            ),
            (zone(true, 1, 3, 3, ""), "waiting for the zone", false),
            (zone(false, 3, 3, 3, ""), "the zone is offline", false),
        ] {
            let shown = line(&zone, &written);
            assert_eq!((&*shown.text, shown.is_done), (text, is_done));
        }
    }
}
