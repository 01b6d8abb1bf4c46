//! `portolan token`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{client::Client, errors::Failure};

/// Issues tokens, for administrators.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  portolan token dataplane --name gw-1 --valid-for 720h > gw-1.token
  portolan token zone --zone zone-1 --valid-for 8760h > zone-1.token
  portolan token user --name ada --group team --valid-for 24h > ada.token")]
pub(crate) enum Command {
    /// Issues a token for data planes of a mesh, good in every zone
    Dataplane(DataplaneArgs),
    /// Issues a token for a zone; the URL must be that of the global
    Zone(ZoneArgs),
    /// Issues a token for a user of the control plane that is asked
    User(UserArgs),
}

/// Flags of `portolan token dataplane`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is not given is not restricted: the narrower, the safer.

Examples:
  portolan token dataplane --name gw-1 --valid-for 720h > token
  portolan token dataplane --mesh shop --tag kuma.io/service=edge-gateway --valid-for 24h > token"
)]
pub(crate) struct DataplaneArgs {
    /// Mesh of the Dataplane
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Name of the Dataplane [default: any]
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,

    /// A tag that the Dataplane must have, with the values that it may have; may be repeated
    #[arg(long = "tag", value_parser = tag, value_name = "TAG=VALUE[,VALUE]")]
    tags: Vec<(String, Vec<String>)>,

    /// What the proxy is
    #[arg(long = "type", default_value = "dataplane", value_name = "TYPE")]
    proxy_type: ProxyType,

    /// Workload of the Dataplane, its label kuma.io/workload [default: any]
    #[arg(long, default_value = "", hide_default_value = true)]
    workload: String,

    /// How long it is valid
    #[arg(long, default_value = "720h", value_name = "DURATION")]
    valid_for: String,
}

/// What a proxy can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyType {
    Dataplane,
    Ingress,
    Egress,
}

/// Flags of `portolan token zone`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  portolan token zone --zone zone-1 --valid-for 8760h > zone-1.token
  portolan zone --name zone-1 --global-token-file zone-1.token …")]
pub(crate) struct ZoneArgs {
    /// Name of the zone
    #[arg(long, value_name = "NAME")]
    zone: String,

    /// What it may be used for: `cp` by the zone's control plane; may be repeated
    #[arg(long, default_value = "cp", value_name = "SCOPE")]
    scope: Vec<Scope>,

    /// How long it is valid
    #[arg(long, default_value = "8760h", value_name = "DURATION")]
    valid_for: String,
}

/// What a zone token can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    Cp,
    Ingress,
    Egress,
}

/// Flags of `portolan token user`.
#[derive(Args, Debug)]
#[command(
    after_help = "Members of the group mesh-system:admin are administrators.

Example:
  portolan token user --name ada --group mesh-system:admin --valid-for 24h > ada.token
  portolan context add prod --server https://cp.example.com:5682 --ca-file ca.pem --token-file ada.token"
)]
pub(crate) struct UserArgs {
    /// Name of the user
    #[arg(long)]
    name: String,

    /// A group that the user is in; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,

    /// How long it is valid
    #[arg(long, value_name = "DURATION")]
    valid_for: String,
}

/// Prints the token.
pub(crate) async fn run(command: Command, client: &Client) -> Result<(), Failure> {
    let (path, body) = request(command);
    let answer = client.post(path, &body).await?;
    super::print(&answer.text().await.map_err(Failure::other)?);
    Ok(())
}

fn request(command: Command) -> (&'static str, Value) {
    match command {
        Command::Dataplane(args) => {
            let mut tags = serde_json::Map::new();
            for (tag, values) in args.tags {
                let all = tags.entry(tag).or_insert_with(|| json!([]));
                if let Value::Array(all) = all {
                    all.extend(values.into_iter().map(Value::from));
                }
            }
            let body = json!({
                "mesh": args.mesh, "name": args.name, "tags": tags, "type": word(args.proxy_type),
                "workload": args.workload, "validFor": args.valid_for,
            });
            ("/tokens/dataplane", body)
        }
        Command::Zone(args) => {
            let scope: Vec<String> = args.scope.into_iter().map(word).collect();
            let body = json!({ "zone": args.zone, "scope": scope, "validFor": args.valid_for });
            ("/tokens/zone", body)
        }
        Command::User(args) => {
            let body =
                json!({ "name": args.name, "groups": args.groups, "validFor": args.valid_for });
            ("/tokens/user", body)
        }
    }
}

/// A value as the flag takes it.
fn word(value: impl ValueEnum) -> String {
    let possible = value.to_possible_value();
    possible
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn tag(text: &str) -> Result<(String, Vec<String>), String> {
    let parts = text
        .split_once('=')
        .filter(|(tag, values)| !tag.is_empty() && !values.is_empty());
    let (tag, values) = parts.ok_or("give it as TAG=VALUE, or TAG=VALUE,VALUE")?;
    Ok((
        tag.to_owned(),
        values.split(',').map(str::to_owned).collect(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn flags_become_requests() {
        let cases = [
            (
                "dataplane --name gw --tag a=b,c --tag a=d --tag e=f --workload w",
                "/tokens/dataplane",
                json!({
                    "mesh": "default", "name": "gw", "tags": { "a": ["b", "c", "d"], "e": ["f"] },
                    "type": "dataplane", "workload": "w", "validFor": "720h",
                }),
            ),
            (
                "zone --zone east",
                "/tokens/zone",
                json!({ "zone": "east", "scope": ["cp"], "validFor": "8760h" }),
            ),
            (
                "zone --zone east --scope ingress --scope egress --valid-for 1h",
                "/tokens/zone",
                json!({ "zone": "east", "scope": ["ingress", "egress"], "validFor": "1h" }),
            ),
            (
                "user --name ada --group a --group b --valid-for 1h",
                "/tokens/user",
                json!({ "name": "ada", "groups": ["a", "b"], "validFor": "1h" }),
            ),
        ];
        for (line, path, body) in cases {
            let words = ["token"].into_iter().chain(line.split(' '));
            let parsed = Line::try_parse_from(words).unwrap();
            assert_eq!(request(parsed.command), (path, body), "{line}");
        }
        for wrong in [
            "dataplane --tag a",
            "dataplane --tag =b",
            "zone",
            "user --name ada",
        ] {
            let words = ["token"].into_iter().chain(wrong.split(' '));
            assert!(Line::try_parse_from(words).is_err(), "{wrong}");
        }
    }
}
