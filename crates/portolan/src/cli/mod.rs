//! The commands of a user: they speak REST to a control plane.

mod age;
mod apply;
mod client;
mod columns;
mod completion;
mod context;
mod delete;
mod difference;
mod documents;
mod errors;
mod explain;
mod get;
mod progress;
mod scale;
mod scaled;
mod settings;
mod status;
mod table;
mod token;
mod wait;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum};

use client::Client;
use errors::Failure;

/// Flags of all user commands.
#[derive(Args, Clone, Debug)]
pub(crate) struct Globals {
    /// Address of the control plane's REST API [default: that of the context, or http://127.0.0.1:5681]
    #[arg(long, env = "PORTOLAN_URL", global = true, value_name = "URL")]
    url: Option<String>,

    /// CA certificate (PEM) that an https address is verified with [default: that of the context, or the system's]
    #[arg(long, env = "PORTOLAN_CA_FILE", global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// File with the user token that goes with every request; the variable PORTOLAN_USER_TOKEN takes the token
    /// itself [default: that of the context, or none]
    #[arg(
        long,
        env = "PORTOLAN_USER_TOKEN_FILE",
        global = true,
        value_name = "FILE"
    )]
    user_token_file: Option<PathBuf>,

    /// The context to use instead of the current one
    #[arg(long, env = "PORTOLAN_CONTEXT", global = true, value_name = "NAME")]
    context: Option<String>,

    /// File with the contexts [default: portolan/config.yaml in the user's configuration folder]
    #[arg(long, env = "PORTOLAN_CONFIG", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Writes resources in one transaction, all or none
    Apply(apply::Args),
    /// Shows resources
    Get(get::Args),
    /// Removes resources
    Delete(delete::Args),
    /// Says how many instances of a gateway run in a zone
    ///
    /// Writes a MeshGatewayInstance on the global. The zone starts and ends instances on its pools
    /// (`portolan dp pool`).
    Scale(scale::Args),
    /// Says which route takes a request, and why no other does
    Explain(explain::Args),
    /// Shows zones, gateways and instances: online, revision, lag, last error
    Status(status::Args),
    /// Issues tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Addresses of several control planes
    #[command(subcommand)]
    Context(context::Command),
    /// Prints completions for a shell
    Completion(completion::Args),
}

/// How something is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML, which can be applied again.
    Yaml,
}

/// Runs a command. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the input was refused, 4 `--wait` timed
/// out, 5 a gateway instance refused the change.
pub(crate) async fn run(command: Command, globals: Globals) -> ExitCode {
    match dispatch(command, &globals).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn dispatch(command: Command, globals: &Globals) -> Result<(), Failure> {
    match command {
        Command::Context(command) => return context::run(command, globals),
        Command::Completion(args) => return completion::run(&args),
        _ => {}
    }
    let client = Client::new(&context::server(globals)?)?;
    match command {
        Command::Apply(args) => apply::run(args, &client).await,
        Command::Get(args) => get::run(args, &client).await,
        Command::Delete(args) => delete::run(args, &client).await,
        Command::Scale(args) => scale::run(args, &client).await,
        Command::Explain(args) => explain::run(args, &client).await,
        Command::Status(args) => status::run(&args, &client).await,
        Command::Token(command) => token::run(command, &client).await,
        Command::Context(_) | Command::Completion(_) => Ok(()),
    }
}

/// Prints to standard output. Nobody may be reading any more, as with `| head`: that is no failure.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}
