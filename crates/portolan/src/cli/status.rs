//! `portolan status`.

use clap::Args as ClapArgs;
use futures::StreamExt;
use jiff::Timestamp;
use portolan_api::status::{Instance, Status, Zone};
use portolan_model::Revision;

use super::{Output, age::age, client::Client, errors::Failure, print, table};

/// Shows zones, gateways and instances.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan status
  portolan status --watch -o json")]
pub(crate) struct Args {
    /// How to show it
    #[arg(short, long, default_value = "table")]
    output: Output,

    /// Goes on, with a new table whenever something changes
    #[arg(long, short)]
    watch: bool,
}

/// Shows it once, or until interrupted.
pub(crate) async fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    if !args.watch {
        let status = client.get("/_status").await?;
        let status = serde_json::from_value(status).map_err(Failure::other)?;
        return show(&status, args.output);
    }
    let mut statuses = client.lines::<Status>("/_status?watch=true").await?;
    while let Some(status) = statuses.next().await {
        show(&status?, args.output)?;
        print("");
    }
    Ok(())
}

fn show(status: &Status, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(status).map_err(Failure::other)?),
        Output::Yaml => print(&serde_norway::to_string(status).map_err(Failure::other)?),
        Output::Table | Output::Wide => print(&tables(status, Timestamp::now())),
    }
    Ok(())
}

fn tables(status: &Status, now: Timestamp) -> String {
    if status.zones.is_empty() {
        return format!("revision {}; no zone has connected yet", status.revision);
    }
    let zones = status
        .zones
        .iter()
        .map(|zone| zone_row(zone, status.revision, now))
        .collect();
    let headings = [
        "ZONE",
        "STATUS",
        "SINCE",
        "REVISION",
        "LAG",
        "INSTANCES",
        "LAST ERROR",
    ];
    let mut text = table::render(&headings, zones);
    let instances: Vec<_> = status
        .zones
        .iter()
        .flat_map(|zone| zone.instances.iter().map(move |instance| (zone, instance)))
        .map(|(zone, instance)| instance_row(zone, instance, status.revision))
        .collect();
    if !instances.is_empty() {
        let headings = [
            "ZONE",
            "MESH",
            "GATEWAY",
            "INSTANCE",
            "REVISION",
            "LAG",
            "LAST ERROR",
        ];
        text += "\n\n";
        text += &table::render(&headings, instances);
    }
    text
}

fn zone_row(zone: &Zone, newest: Revision, now: Timestamp) -> Vec<String> {
    vec![
        zone.name.clone(),
        if zone.online { "Online" } else { "Offline" }.to_owned(),
        age(zone.since, now),
        zone.acknowledged_revision.to_string(),
        newest
            .saturating_sub(zone.acknowledged_revision)
            .to_string(),
        zone.instances.len().to_string(),
        zone.last_error.clone().unwrap_or_default(),
    ]
}

/// What an instance runs. In brackets, where it is no name.
fn gateway(instance: &Instance) -> String {
    match (instance.gateway.is_empty(), instance.delegated) {
        (false, _) => instance.gateway.clone(),
        (true, true) => "(delegated)".to_owned(),
        // No MeshGateway selects it, or it is no gateway at all: it gets no configuration.
        (true, false) => "(none)".to_owned(),
    }
}

fn instance_row(zone: &Zone, instance: &Instance, newest: Revision) -> Vec<String> {
    vec![
        zone.name.clone(),
        instance.mesh.clone(),
        gateway(instance),
        instance.name.clone(),
        instance.served_revision.to_string(),
        newest.saturating_sub(instance.served_revision).to_string(),
        instance
            .refused
            .as_ref()
            .map(|refused| refused.message.clone())
            .unwrap_or_default(),
    ]
}
