//! `portolan context`: addresses of several control planes.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{Globals, errors::Failure, print, table};

/// Where a global listens unless it is told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:5681";

/// Addresses of several control planes.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:
  portolan context add staging --server http://127.0.0.1:15681 && portolan context use staging")]
pub(crate) enum Command {
    /// Lists them
    List,
    /// Adds one, or changes it
    Add(AddArgs),
    /// Makes one the current one
    Use {
        /// Its name
        name: String,
    },
    /// Forgets one
    Remove {
        /// Its name
        name: String,
    },
}

/// Flags of `portolan context add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name
    name: String,
    /// Address of the REST API
    #[arg(long, value_name = "URL")]
    server: String,
    /// Sent with every request
    #[arg(long)]
    token: Option<String>,
}

/// One control plane.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Server {
    /// Address of the REST API, without a slash at the end.
    pub(crate) url: String,
    /// Sent with every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Contexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Server>,
}

/// The control plane that a command speaks to: the URL that was given, else the context.
pub(crate) fn server(globals: &Globals) -> Result<Server, Failure> {
    if let Some(url) = &globals.url {
        return Ok(Server {
            url: trimmed(url),
            token: None,
        });
    }
    let contexts = load(globals)?;
    match globals.context.as_ref().or(contexts.current.as_ref()) {
        None => Ok(Server {
            url: DEFAULT_URL.to_owned(),
            token: None,
        }),
        Some(name) => contexts
            .contexts
            .get(name)
            .cloned()
            .ok_or_else(|| unknown(name)),
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command, globals: &Globals) -> Result<(), Failure> {
    let mut contexts = load(globals)?;
    match command {
        Command::List => {
            let current = contexts.current.as_deref();
            let rows = contexts.contexts.iter().map(|(name, server)| {
                let mark = if current == Some(name) { "*" } else { "" };
                vec![mark.to_owned(), name.clone(), server.url.clone()]
            });
            print(&table::render(&["CURRENT", "NAME", "URL"], rows.collect()));
            return Ok(());
        }
        Command::Add(args) => {
            let server = Server {
                url: trimmed(&args.server),
                token: args.token,
            };
            contexts.contexts.insert(args.name.clone(), server);
            contexts.current.get_or_insert(args.name);
        }
        Command::Use { name } if contexts.contexts.contains_key(&name) => {
            contexts.current = Some(name);
        }
        Command::Remove { name } if contexts.contexts.remove(&name).is_some() => {
            contexts.current.take_if(|current| *current == name);
        }
        Command::Use { name } | Command::Remove { name } => return Err(unknown(&name)),
    }
    save(globals, &contexts)
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn unknown(name: &str) -> Failure {
    Failure::Other(format!(
        "there is no context {name:?}: see `portolan context list`"
    ))
}

fn path(globals: &Globals) -> Result<PathBuf, Failure> {
    if let Some(path) = &globals.config {
        return Ok(path.clone());
    }
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .ok_or_else(|| Failure::Other("set HOME or PORTOLAN_CONFIG".to_owned()))?;
    Ok(folder.join("portolan/config.yaml"))
}

fn load(globals: &Globals) -> Result<Contexts, Failure> {
    let path = path(globals)?;
    match fs::read_to_string(&path) {
        Ok(text) => serde_norway::from_str(&text)
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Contexts::default()),
        Err(error) => Err(Failure::Other(format!(
            "cannot read {}: {error}",
            path.display()
        ))),
    }
}

fn save(globals: &Globals, contexts: &Contexts) -> Result<(), Failure> {
    let path = path(globals)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Failure::other)?;
    }
    let text = serde_norway::to_string(contexts).map_err(Failure::other)?;
    // Tokens stand in it.
    portolan_identity::files::write(&path, &text, portolan_identity::files::Access::Private)
        .map_err(Failure::other)
}
