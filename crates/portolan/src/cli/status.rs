//! `portolan status`.

use clap::Args as ClapArgs;
use futures::StreamExt;
use jiff::Timestamp;
use portolan_api::status::{Instance, Status, Zone};
use portolan_model::Revision;

use super::{Output, age::age, client::Client, errors::Failure, print, table};

/// Shows zones, gateway instances and members.
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
    let has_members = status.zones.iter().any(|zone| zone.members().count() > 0);
    let zones = status.zones.iter();
    let zones = zones.map(|zone| zone_row(zone, has_members, status.revision, now));
    let mut headings = vec!["ZONE", "STATUS", "SINCE", "REVISION", "LAG", "INSTANCES"];
    headings.extend(has_members.then_some("MEMBERS"));
    headings.push("LAST ERROR");
    let mut text = table::render(&headings, zones.collect());
    let all = status.zones.iter();
    let instances = all.flat_map(|zone| {
        let instances = zone.gateways();
        instances
            .map(|instance| instance_row(zone, Some(gateway(instance)), instance, status.revision))
    });
    add(
        &mut text,
        &[
            "ZONE",
            "MESH",
            "GATEWAY",
            "INSTANCE",
            "REVISION",
            "LAG",
            "LAST ERROR",
        ],
        instances,
    );
    let all = status.zones.iter();
    let members = all.flat_map(|zone| {
        let members = zone.members();
        members.map(|member| instance_row(zone, None, member, status.revision))
    });
    add(
        &mut text,
        &["ZONE", "MESH", "MEMBER", "REVISION", "LAG", "LAST ERROR"],
        members,
    );
    text
}

/// Adds a table below, if it has rows.
fn add(text: &mut String, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(&table::render(headings, rows));
    }
}

fn zone_row(zone: &Zone, has_members: bool, newest: Revision, now: Timestamp) -> Vec<String> {
    let lag = newest.saturating_sub(zone.acknowledged_revision);
    let mut row = vec![
        zone.name.clone(),
        if zone.online { "Online" } else { "Offline" }.to_owned(),
        age(zone.since, now),
        zone.acknowledged_revision.to_string(),
        lag.to_string(),
        zone.gateways().count().to_string(),
    ];
    row.extend(has_members.then(|| zone.members().count().to_string()));
    row.push(zone.last_error.clone().unwrap_or_default());
    row
}

/// What an instance runs. In brackets, where it is no name.
fn gateway(instance: &Instance) -> String {
    match (instance.gateway.is_empty(), instance.delegated) {
        (false, _) => instance.gateway.clone(),
        (true, true) => "(delegated)".to_owned(),
        // No MeshGateway selects it: it gets no configuration.
        (true, false) => "(none)".to_owned(),
    }
}

/// A row for a gateway instance with what it runs, or for a member.
fn instance_row(
    zone: &Zone,
    gateway: Option<String>,
    instance: &Instance,
    newest: Revision,
) -> Vec<String> {
    let refused = instance.refused.as_ref();
    let mut row = vec![zone.name.clone(), instance.mesh.clone()];
    row.extend(gateway);
    row.extend([
        instance.name.clone(),
        instance.served_revision.to_string(),
        newest.saturating_sub(instance.served_revision).to_string(),
        refused
            .map(|refused| refused.message.clone())
            .unwrap_or_default(),
    ]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_a_table_of_their_own() {
        let instance = |name: &str, gateway: &str, member| Instance {
            mesh: "default".to_owned(),
            name: name.to_owned(),
            gateway: gateway.to_owned(),
            member,
            served_revision: 7,
            ..Instance::default()
        };
        let mut status = Status {
            revision: 9,
            zones: vec![Zone {
                name: "east".to_owned(),
                online: true,
                acknowledged_revision: 9,
                instances: vec![
                    instance("edge-1", "edge", false),
                    instance("edge-2", "", false),
                ],
                ..Zone::default()
            }],
        };
        let cells = |status: &Status| -> Vec<Vec<String>> {
            let text = tables(status, Timestamp::UNIX_EPOCH);
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines
                .map(|line| line.split_whitespace().map(str::to_owned).collect())
                .collect()
        };
        let without = cells(&status);
        assert_eq!(without[1][3..], ["0", "2"], "{without:?}");
        assert_eq!(without.len(), 5, "{without:?}");
        assert_eq!(
            without[4],
            ["east", "default", "(none)", "edge-2", "7", "2"]
        );

        status.zones[0].instances.push(instance("api-1", "", true));
        let with = cells(&status);
        assert_eq!(with[0][6], "MEMBERS");
        assert_eq!(with[1][3..], ["0", "2", "1"], "{with:?}");
        assert_eq!(with[5][..3], ["ZONE", "MESH", "MEMBER"]);
        assert_eq!(with[6], ["east", "default", "api-1", "7", "2"]);
    }
}
