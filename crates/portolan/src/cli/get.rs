//! `portolan get`.

use clap::Args as ClapArgs;
use futures::StreamExt;
use jiff::Timestamp;
use portolan_model::{Kind, Scope, kinds, labels};
use serde_json::{Value, json};

use super::{
    Output,
    age::age,
    client::Client,
    columns,
    delete::{collection, kind},
    errors::Failure,
    print, scaled, table,
};

/// Shows resources.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan get meshgatewayroutes
  portolan get meshgateway edge -o yaml
  portolan get dataplanes --all-meshes --watch")]
pub(crate) struct Args {
    /// The kind, as in `meshgateways`, `meshgateway` or `mgw`
    kind: String,

    /// Only the one of this name
    name: Option<String>,

    /// The mesh
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// Those of all meshes
    #[arg(long, short = 'A', conflicts_with = "name")]
    all_meshes: bool,

    /// How to show it
    #[arg(short, long, default_value = "table")]
    output: Output,

    /// Goes on, with a line for each change
    #[arg(long, short, conflicts_with = "name")]
    watch: bool,
}

/// Most items of a page.
const PAGE: usize = 1000;

/// Shows them once, or until interrupted.
pub(crate) async fn run(args: Args, client: &Client) -> Result<(), Failure> {
    let kind = kind(&args.kind)?;
    let path = if args.all_meshes && kind.scope == Scope::Mesh {
        format!("/{}", kind.plural)
    } else {
        collection(kind, &args.mesh)
    };
    if let Some(name) = &args.name {
        let mut found = vec![client.get(&format!("{path}/{name}")).await?];
        add_status(client, kind, &mut found).await?;
        return show(kind, found, args.output, true);
    }
    if args.watch {
        return watch(client, &path, args.output).await;
    }
    let mut found = all(client, kind, &path, args.output).await?;
    add_status(client, kind, &mut found).await?;
    show(kind, found, args.output, false)
}

/// Adds what no insight tells: how far zones are with what they are to run.
async fn add_status(client: &Client, kind: Kind, items: &mut [Value]) -> Result<(), Failure> {
    if kind == kinds::MESH_GATEWAY_INSTANCE {
        let status = client.get("/_status").await?;
        let status = serde_json::from_value(status).map_err(Failure::other)?;
        items
            .iter_mut()
            .for_each(|item| scaled::add_to(item, &status));
    }
    Ok(())
}

/// Every page. Tables of what has an insight show it too.
async fn all(
    client: &Client,
    kind: Kind,
    path: &str,
    output: Output,
) -> Result<Vec<Value>, Failure> {
    let with_insight = matches!(output, Output::Table | Output::Wide) && has_insight(kind);
    let path = if with_insight {
        format!("{path}/_overview")
    } else {
        path.to_owned()
    };
    let mut items = Vec::new();
    loop {
        let offset = items.len();
        let page = client
            .get(&format!("{path}?size={PAGE}&offset={offset}"))
            .await?;
        items.extend(page["items"].as_array().into_iter().flatten().cloned());
        if page["next"].is_null() || items.len() == offset {
            return Ok(items);
        }
    }
}

fn has_insight(kind: Kind) -> bool {
    kind == kinds::DATAPLANE || kind == kinds::ZONE
}

async fn watch(client: &Client, path: &str, output: Output) -> Result<(), Failure> {
    let mut changes = client.lines::<Value>(&format!("{path}?watch=true")).await?;
    while let Some(change) = changes.next().await {
        let change = change?;
        match output {
            Output::Json => print(&change.to_string()),
            Output::Yaml => {
                let text = serde_norway::to_string(&change).map_err(Failure::other)?;
                print(&format!("---\n{text}"));
            }
            Output::Table | Output::Wide => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let resource = &change["resource"];
                print(&format!(
                    "{:<8}{:<12}{:<40}revision {}",
                    text(&change["operation"]),
                    text(&resource["mesh"]),
                    text(&resource["name"]),
                    change["revision"],
                ));
            }
        }
    }
    Ok(())
}

fn show(kind: Kind, items: Vec<Value>, output: Output, single: bool) -> Result<(), Failure> {
    let value = |mut items: Vec<Value>| match (single, items.pop()) {
        (true, Some(item)) => item,
        (_, last) => {
            items.extend(last);
            json!({ "total": items.len(), "items": items })
        }
    };
    let text = match output {
        Output::Json => serde_json::to_string_pretty(&value(items)).map_err(Failure::other)?,
        Output::Yaml if single => serde_norway::to_string(&value(items)).map_err(Failure::other)?,
        // Documents, so that what comes out can be applied again.
        Output::Yaml => {
            let documents: Result<Vec<_>, _> = items.iter().map(serde_norway::to_string).collect();
            documents.map_err(Failure::other)?.join("---\n")
        }
        Output::Table => rows(kind, &items, false),
        Output::Wide => rows(kind, &items, true),
    };
    print(&text);
    Ok(())
}

fn rows(kind: Kind, items: &[Value], wide: bool) -> String {
    let now = Timestamp::now();
    let mut headings = Vec::new();
    if kind.scope == Scope::Mesh {
        headings.push("MESH");
    }
    headings.push("NAME");
    headings.extend(columns::headings(kind));
    headings.push("AGE");
    if wide {
        headings.extend(["ORIGIN", "MODIFIED"]);
    }
    let row = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let label = |name: &str| text(&item["labels"][name]);
        let shown = label(labels::DISPLAY_NAME);
        let mut row = Vec::new();
        if kind.scope == Scope::Mesh {
            row.push(text(&item["mesh"]));
        }
        row.push(if shown.is_empty() {
            text(&item["name"])
        } else {
            shown
        });
        row.extend(columns::of(kind, item, wide));
        row.push(age(text(&item["creationTime"]).parse().ok(), now));
        if wide {
            let zone = label(labels::ZONE);
            row.push(if zone.is_empty() {
                label(labels::ORIGIN)
            } else {
                zone
            });
            row.push(age(text(&item["modificationTime"]).parse().ok(), now));
        }
        row
    };
    let rows = if kind == kinds::MESH_GATEWAY_INSTANCE {
        let by_zone = items.iter().flat_map(scaled::by_zone);
        by_zone.map(|item| row(&item)).collect()
    } else {
        items.iter().map(row).collect()
    };
    table::render(&headings, rows)
}
