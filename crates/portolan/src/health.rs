//! `portolan health`: asks a process how it is, for health checks in containers that have no curl.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{cli::print, server::duration};

/// How long one answer may take; a global asks its store for 2 s at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked while it is not ready.
const BEAT: Duration = Duration::from_millis(100);

/// Asks a global, a zone or a data plane whether it is ready; exit code 0 if it is, 1 if it is not.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan health
  portolan health --wait 60s && portolan token dataplane --name gw-1
  portolan health --live http://127.0.0.1:5690")]
pub(crate) struct Args {
    /// Where the process serves its signals: its --diagnostics-bind
    #[arg(default_value = "http://127.0.0.1:5680", value_name = "URL")]
    diagnostics: String,

    /// Asks whether the process answers at all, and not whether it can do its work
    #[arg(long)]
    live: bool,

    /// Waits so long until it is ready
    #[arg(long, default_value = "0s", value_parser = duration::parse, value_name = "DURATION")]
    wait: Duration,
}

/// Asks, and asks again while there is time.
///
/// # Errors
/// What the last answer was, when it was not the right one.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let path = if args.live { "healthz" } else { "readyz" };
    let url = format!("{}/{path}", args.diagnostics.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let end = Instant::now() + args.wait;
    loop {
        let failure = match ask(&client, &url).await {
            Ok(answer) => {
                print(&answer);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if timeout_at(end, sleep(BEAT)).await.is_err() {
            return Err(failure);
        }
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let unreachable = || format!("nobody answers at {url}; its address is its --diagnostics-bind");
    let answer = client.get(url).send().await.with_context(unreachable)?;
    let status = answer.status();
    let text = answer.text().await.with_context(unreachable)?;
    if !status.is_success() {
        bail!("{}", text.trim());
    }
    Ok(text)
}
