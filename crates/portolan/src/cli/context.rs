//! `portolan context`: addresses of several control planes.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use clap::{Args, Subcommand};
use portolan_identity::{
    Secret,
    files::{self, Access},
};
use serde::{Deserialize, Serialize};

use super::{Globals, errors::Failure, print, table};

/// Where a global listens unless it is told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:5681";
/// The user token itself, for those who would rather not have a file.
const TOKEN: &str = "PORTOLAN_USER_TOKEN";

/// Addresses of several control planes.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  portolan context add staging --server http://127.0.0.1:15681 && portolan context use staging
  portolan context add prod --server https://cp.example.com:5682 --ca-file ca.pem --token-file ada.token")]
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
    /// The user token that goes with every request; a file is safer, because other users may see arguments
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// File with the user token, read anew for each command
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// One control plane.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Server {
    /// Address of the REST API, without a slash at the end.
    pub(crate) url: String,
    /// The user token that goes with every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
    /// The file that the user token is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The CA certificate (PEM) that an https address is verified with, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Contexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Server>,
}

/// The control plane that a command speaks to: the URL that was given, else the context. Flags and variables
/// for token and CA go before what the context says.
pub(crate) fn server(globals: &Globals) -> Result<Server, Failure> {
    let mut server = match &globals.url {
        Some(url) => Server::at(url),
        None => of_contexts(globals)?,
    };
    if globals.user_token_file.is_some() {
        server.token_file = globals.user_token_file.clone();
    } else if let Some(token) = env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        server.token = Some(token.into());
        server.token_file = None;
    }
    if globals.ca_file.is_some() {
        server.ca_file = globals.ca_file.clone();
    }
    Ok(server)
}

fn of_contexts(globals: &Globals) -> Result<Server, Failure> {
    let contexts = load(globals)?;
    match globals.context.as_ref().or(contexts.current.as_ref()) {
        None => Ok(Server::at(DEFAULT_URL)),
        Some(name) => contexts
            .contexts
            .get(name)
            .cloned()
            .ok_or_else(|| unknown(name)),
    }
}

impl Server {
    /// A control plane of which only the address is known.
    fn at(url: &str) -> Self {
        Self {
            url: trimmed(url),
            token: None,
            token_file: None,
            ca_file: None,
        }
    }

    /// The user token, if there is one.
    pub(crate) fn user_token(&self) -> Result<Option<Secret>, Failure> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::Other(format!(
                "cannot read the user token in {}: {error}",
                path.display()
            ))
        })?;
        Ok(Some(text.trim().into()))
    }
}

/// A path that means the same wherever a later command is run.
fn absolute(path: &Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    let absolute = path.as_ref().map(std::path::absolute);
    absolute.transpose().map_err(Failure::other)
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
                token: args.token.map(Secret::from),
                token_file: absolute(&args.token_file)?,
                ca_file: absolute(&globals.ca_file)?,
                ..Server::at(&args.server)
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
    files::write(&path, &text, Access::Private).map_err(Failure::other)
}
