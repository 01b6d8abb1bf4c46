//! `portolan delete`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use portolan_model::{Kind, Scope};
use serde_json::Value;

use super::{client::Client, documents, errors::Failure, print};

/// Removes resources.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan delete meshgatewayroute api
  portolan delete -f edge.yaml")]
pub(crate) struct Args {
    /// The kind, as in `meshgateway` or `mgw`
    #[arg(required_unless_present = "files", requires = "name")]
    kind: Option<String>,

    /// The name
    name: Option<String>,

    /// The mesh
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Removes what these files hold, the last first; may be repeated
    #[arg(short, long = "file", conflicts_with = "kind", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Removes them one by one.
pub(crate) async fn run(args: Args, client: &Client) -> Result<(), Failure> {
    if let (Some(kind), Some(name)) = (&args.kind, &args.name) {
        return remove(client, self::kind(kind)?, &args.mesh, name).await;
    }
    for document in documents::read(&args.files)?.iter().rev() {
        let field = |field: &str| document.resource[field].as_str().unwrap_or_default();
        let kind = Kind::by_name(field("type")).ok_or_else(|| {
            Failure::Refused(format!(
                "{}: there is no kind {:?}",
                document.place,
                field("type")
            ))
        })?;
        let mesh = document
            .resource
            .get("mesh")
            .and_then(Value::as_str)
            .unwrap_or(&args.mesh);
        remove(client, kind, mesh, field("name")).await?;
    }
    Ok(())
}

/// A kind by anything that a user may type.
pub(crate) fn kind(alias: &str) -> Result<Kind, Failure> {
    Kind::by_alias(alias).ok_or_else(|| {
        let known: Vec<_> = Kind::all().map(|kind| kind.plural).collect();
        Failure::Refused(format!(
            "there is no kind {alias:?}; there are: {}",
            known.join(", ")
        ))
    })
}

/// Where a kind is listed.
pub(crate) fn collection(kind: Kind, mesh: &str) -> String {
    match kind.scope {
        Scope::Global => format!("/{}", kind.plural),
        Scope::Mesh => format!("/meshes/{mesh}/{}", kind.plural),
    }
}

async fn remove(client: &Client, kind: Kind, mesh: &str, name: &str) -> Result<(), Failure> {
    client
        .delete(&format!("{}/{name}", collection(kind, mesh)))
        .await?;
    print(&format!("{kind} {name} deleted"));
    Ok(())
}
