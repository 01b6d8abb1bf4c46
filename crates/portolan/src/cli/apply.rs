//! `portolan apply`.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, ValueEnum};
use portolan_gateway::diff::GatewayDiff;
use portolan_model::Revision;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::Client,
    difference,
    documents::{self, Document},
    errors::Failure,
    print, wait,
};
use crate::server::duration;

/// Writes resources in one transaction, all or none.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan apply -f edge.yaml --wait
  portolan apply -f resources/ --dry-run
  portolan apply -f resources/ --dry-run=diff
  portolan get meshgateway edge -o yaml | sed s/8080/8081/ | portolan apply -f -

Exit codes: 0 done, 1 failed, 3 refused, 4 --wait timed out, 5 a gateway instance refused the change")]
pub(crate) struct Args {
    /// File, folder, or `-` for standard input; may be repeated
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Returns when every gateway instance of every online zone serves it
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,

    /// How long --wait waits
    #[arg(long, default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,

    /// Says what would become of each resource, with `diff` also of the gateways' listeners, hosts and
    /// routes, and writes nothing
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "outcomes",
        value_name = "diff"
    )]
    dry_run: Option<DryRun>,
}

/// What a dry run tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// What would become of each resource.
    Outcomes,
    /// And of the routes of gateways.
    Diff,
}

#[derive(Deserialize)]
struct Applied {
    #[serde(default)]
    revision: Revision,
    results: Vec<Outcome>,
    #[serde(default)]
    gateways: Option<Vec<GatewayDiff>>,
}

#[derive(Deserialize)]
struct Outcome {
    r#type: String,
    #[serde(default)]
    mesh: String,
    name: String,
    outcome: String,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Writes, and waits if it is to.
pub(crate) async fn run(args: Args, client: &Client) -> Result<(), Failure> {
    let documents = documents::read(&args.files)?;
    let resources: Vec<&Value> = documents
        .iter()
        .map(|document| &document.resource)
        .collect();
    let path = match args.dry_run {
        None => "/_apply",
        Some(DryRun::Outcomes) => "/_apply?dryRun=true",
        Some(DryRun::Diff) => "/_apply?dryRun=diff",
    };
    let answer = client.post(path, &json!({ "resources": resources })).await;
    let answer = answer.map_err(|failure| with_places(failure, &documents))?;
    let applied: Applied = answer.json().await.map_err(Failure::other)?;
    let remark = if args.dry_run.is_some() {
        " (dry run)"
    } else {
        ""
    };
    for result in &applied.results {
        let mesh = if result.mesh.is_empty() {
            String::new()
        } else {
            format!("{}/", result.mesh)
        };
        print(&format!(
            "{} {mesh}{} {}{remark}",
            result.r#type, result.name, result.outcome
        ));
        for warning in &result.warnings {
            print(&format!("  warning: {warning}"));
        }
    }
    if let Some(gateways) = &applied.gateways {
        print(&difference::shown(gateways));
    }
    if args.wait {
        wait::until_served(client, applied.revision, args.timeout).await?;
    }
    Ok(())
}

/// Says where a refused resource stands: the user has files, not positions in a request.
fn with_places(failure: Failure, documents: &[Document]) -> Failure {
    let (Failure::Refused(mut text) | Failure::NotFound(mut text) | Failure::Conflict(mut text)) =
        failure
    else {
        return failure;
    };
    for (position, document) in documents.iter().enumerate().rev() {
        text = text.replace(&format!("resources[{position}]"), &document.place);
    }
    Failure::Refused(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_places() {
        let document = |place: &str| Document {
            place: place.to_owned(),
            resource: Value::Null,
        };
        let documents = [document("a.yaml"), document("b.yaml (document 2)")];
        let refused = Failure::Refused("resources[1].conf: cannot be empty".to_owned());
        assert_eq!(
            with_places(refused, &documents).to_string(),
            "b.yaml (document 2).conf: cannot be empty"
        );
    }
}
