//! `portolan token`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{client::Client, errors::Failure};

/// Issues tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Issues a token for a data plane; the URL must be that of its zone
    Dataplane(DataplaneArgs),
}

/// Flags of `portolan token dataplane`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  portolan token dataplane --url http://127.0.0.1:5681 --name gw-1 --valid-for 720h > token
  portolan token dataplane --url http://127.0.0.1:5681 --tag kuma.io/service=edge-gateway > pool-token")]
pub(crate) struct DataplaneArgs {
    /// Mesh of the Dataplane
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Name of the Dataplane [default: any]
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,

    /// A tag that the Dataplane must have; may be repeated, also for more values of one tag [default: any]
    #[arg(long = "tag", value_parser = tag, value_name = "NAME=VALUE")]
    tags: Vec<(String, String)>,

    /// How long it is valid
    #[arg(long, default_value = "720h", value_name = "DURATION")]
    valid_for: String,
}

/// Prints the token.
pub(crate) async fn run(command: Command, client: &Client) -> Result<(), Failure> {
    let Command::Dataplane(args) = command;
    let mut tags = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, value) in args.tags {
        tags.entry(name).or_default().insert(value);
    }
    let body = json!({
        "mesh": args.mesh,
        "name": args.name,
        "tags": tags,
        "validFor": args.valid_for,
    });
    let answer = client.post("/tokens/dataplane", &body).await?;
    super::print(&answer.text().await.map_err(Failure::other)?);
    Ok(())
}

fn tag(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => bail!("{text:?} is not NAME=VALUE"),
    }
}
