//! `portolan token`.

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
#[command(after_help = "Example:
  portolan token dataplane --url http://127.0.0.1:5681 --name gw-1 --valid-for 720h > token")]
pub(crate) struct DataplaneArgs {
    /// Mesh of the Dataplane
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Name of the Dataplane [default: any]
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,

    /// How long it is valid
    #[arg(long, default_value = "720h", value_name = "DURATION")]
    valid_for: String,
}

/// Prints the token.
pub(crate) async fn run(command: Command, client: &Client) -> Result<(), Failure> {
    let Command::Dataplane(args) = command;
    let body = json!({ "mesh": args.mesh, "name": args.name, "validFor": args.valid_for });
    let answer = client.post("/tokens/dataplane", &body).await?;
    super::print(&answer.text().await.map_err(Failure::other)?);
    Ok(())
}
