//! Globals and zones.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Http, Process, Sandbox, SandboxError, free_port, until};

/// Encrypts secrets in a Postgres, which several globals share, and which may outlive the sandbox.
const SHARED_KEY: &str = "cG9ydG9sYW4gc2FuZGJveDogbm90aGluZyBzZWNyZXQ=\n";

/// What may be different between globals.
#[derive(Clone, Debug, Default)]
pub struct GlobalOptions {
    /// Tells replicas apart; empty for `global`.
    pub name: String,
    /// A Postgres URL; `None` for SQLite.
    pub store: Option<String>,
    /// Log filter; empty for `info`.
    pub log: String,
    /// Whether zones need no token.
    pub anonymous_zones: bool,
}

/// A running global, or a stopped one that may be started again.
#[derive(Debug)]
pub struct Global {
    /// The process; replaced by [`Global::start`].
    pub process: Process,
    /// Its REST API.
    pub http: Http,
    /// Its REST API over TLS, `https://…`.
    pub https: String,
    /// Its signals: `/healthz`, `/readyz`, `/metrics`.
    pub diagnostics: Http,
    /// Where zones connect, `grpcs://…`.
    pub kds: String,
    folder: PathBuf,
    launch: Launch,
}

/// What may be different between zones.
#[derive(Clone, Debug, Default)]
pub struct ZoneOptions {
    /// Log filter; empty for `info`.
    pub log: String,
    /// Whether data planes need no token.
    pub without_token: bool,
    /// The token that it shows the global; `None` for a good one that the first global issues.
    pub token: Option<String>,
    /// Whether it shows none.
    pub without_global_token: bool,
    /// How long a key of TLS session tickets encrypts, as in `8h`; empty for the default.
    pub ticket_key_interval: String,
    /// Connects here instead of to the globals themselves: the addresses of [`crate::Link`]s.
    pub through: Vec<std::net::SocketAddr>,
}

/// A running zone, or a stopped one that may be started again.
#[derive(Debug)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// The process; replaced by [`Zone::start`].
    pub process: Process,
    /// Its REST API.
    pub http: Http,
    /// Its signals: `/healthz`, `/readyz`, `/metrics`.
    pub diagnostics: Http,
    /// Where data planes connect, `https://…`.
    pub data_plane_url: String,
    folder: PathBuf,
    launch: Launch,
}

/// Everything that starts a process, kept for its restart.
#[derive(Clone, Debug)]
struct Launch {
    name: String,
    binary: PathBuf,
    args: Vec<String>,
    log: PathBuf,
}

impl Launch {
    async fn start(&self, http: &Http) -> Result<Process, SandboxError> {
        let mut process =
            Process::start(&self.name, &self.binary, &self.args, &[], self.log.clone())?;
        let ready = format!("{} answering on {}", self.name, http.base());
        process
            .ready(&ready, async || http.get("/").await.ok())
            .await?;
        Ok(process)
    }
}

impl Sandbox {
    /// Starts a global and waits until it answers.
    pub async fn global(&self, options: &GlobalOptions) -> Result<Global, SandboxError> {
        let name = if options.name.is_empty() {
            "global"
        } else {
            &options.name
        };
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder)?;
        let (api, tls, kds) = (free_port()?, free_port()?, free_port()?);
        let diagnostics = free_port()?;
        let mut args = vec!["global".to_owned()];
        args.extend(flags(&[
            ("--api-bind", &format!("127.0.0.1:{api}")),
            ("--api-tls-bind", &format!("127.0.0.1:{tls}")),
            ("--kds-bind", &format!("127.0.0.1:{kds}")),
            ("--diagnostics-bind", &format!("127.0.0.1:{diagnostics}")),
            ("--data-dir", &folder.display().to_string()),
            ("--log", log_filter(&options.log)),
        ]));
        if let Some(store) = &options.store {
            args.extend(flags(&[("--store", store)]));
            let path = self.folder().join("shared-secret.key");
            fs::write(&path, SHARED_KEY)?;
            let key = path.display().to_string();
            args.extend(flags(&[("--secret-key-file", &key)]));
        }
        if options.anonymous_zones {
            args.push("--allow-anonymous-zones".to_owned());
        }
        let launch = self.launch(name, args);
        let http = Http::new(format!("http://127.0.0.1:{api}"));
        let process = launch.start(&http).await?;
        let kds = format!("grpcs://127.0.0.1:{kds}");
        Ok(Global {
            process,
            http,
            https: format!("https://127.0.0.1:{tls}"),
            diagnostics: Http::new(format!("http://127.0.0.1:{diagnostics}")),
            kds,
            folder,
            launch,
        })
    }

    /// Starts a zone of these globals and waits until it answers (not until it is connected).
    pub async fn zone(
        &self,
        name: &str,
        globals: &[&Global],
        options: &ZoneOptions,
    ) -> Result<Zone, SandboxError> {
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder)?;
        let (api, tls, dp) = (free_port()?, free_port()?, free_port()?);
        let diagnostics = free_port()?;
        let mut args = vec!["zone".to_owned()];
        args.extend(flags(&[
            ("--name", name),
            ("--api-bind", &format!("127.0.0.1:{api}")),
            ("--api-tls-bind", &format!("127.0.0.1:{tls}")),
            ("--dp-bind", &format!("127.0.0.1:{dp}")),
            ("--diagnostics-bind", &format!("127.0.0.1:{diagnostics}")),
            ("--data-dir", &folder.display().to_string()),
            ("--log", log_filter(&options.log)),
        ]));
        let direct = globals.iter().map(|global| global.kds.clone());
        let through = options
            .through
            .iter()
            .map(|address| format!("grpcs://{address}"));
        let urls: Vec<_> = if options.through.is_empty() {
            direct.collect()
        } else {
            through.collect()
        };
        for url in urls {
            args.extend(flags(&[("--global", &url)]));
        }
        args.extend(flags(&[("--global-ca", &self.trust(name, globals)?)]));
        let token = match (&options.token, globals.first()) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(global)) if !options.without_global_token => {
                Some(global.zone_token(name).await?)
            }
            (None, _) => None,
        };
        if let Some(token) = token {
            let path = folder.join("global.token");
            fs::write(&path, token)?;
            args.extend(flags(&[(
                "--global-token-file",
                &path.display().to_string(),
            )]));
        }
        if !options.ticket_key_interval.is_empty() {
            args.extend(flags(&[(
                "--ticket-key-interval",
                &options.ticket_key_interval,
            )]));
        }
        if options.without_token {
            args.push("--dp-without-token".to_owned());
        }
        let launch = self.launch(name, args);
        let http = Http::new(format!("http://127.0.0.1:{api}"));
        let process = launch.start(&http).await?;
        Ok(Zone {
            name: name.to_owned(),
            process,
            http,
            diagnostics: Http::new(format!("http://127.0.0.1:{diagnostics}")),
            data_plane_url: format!("https://127.0.0.1:{dp}"),
            folder,
            launch,
        })
    }

    fn launch(&self, name: &str, args: Vec<String>) -> Launch {
        let log = self.folder().join(format!("{name}.log"));
        Launch {
            name: name.to_owned(),
            binary: self.binary().to_owned(),
            args,
            log,
        }
    }

    /// One file with the CAs of all replicas, each of which made its own.
    fn trust(&self, zone: &str, globals: &[&Global]) -> Result<String, SandboxError> {
        let mut bundle = String::new();
        for global in globals {
            bundle += &fs::read_to_string(global.ca())?;
        }
        let path = self.folder().join(format!("{zone}-trust.pem"));
        fs::write(&path, bundle)?;
        Ok(path.display().to_string())
    }
}

impl Global {
    /// Starts it again with the same ports and folder, and waits until it answers.
    pub async fn start(&mut self) -> Result<(), SandboxError> {
        self.process = self.launch.start(&self.http).await?;
        Ok(())
    }

    /// Where zones connect, as a socket address.
    pub fn kds_address(&self) -> Option<std::net::SocketAddr> {
        self.kds.trim_start_matches("grpcs://").parse().ok()
    }

    /// The certificate that zones must trust.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca/ca.pem")
    }

    /// A token for a zone.
    pub async fn zone_token(&self, zone: &str) -> Result<String, SandboxError> {
        self.token_for(zone, "cp").await
    }

    /// A token for what of a zone has this scope, such as `ingress`.
    pub async fn token_for(&self, zone: &str, scope: &str) -> Result<String, SandboxError> {
        let request = serde_json::json!({ "zone": zone, "scope": [scope], "validFor": "24h0m0s" });
        let answer = self.http.post("/tokens/zone", &request).await?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// What it knows of its zones.
    pub async fn status(&self) -> Result<Value, SandboxError> {
        self.http.get("/_status").await
    }

    /// Waits until so many proxies are connected to all zones together.
    pub async fn instances_connected(&self, count: usize) -> Result<(), SandboxError> {
        let what = format!("{count} gateway instances connected");
        until(&what, std::time::Duration::from_secs(30), async || {
            let status = self.status().await.ok()?;
            let zones = status["zones"].as_array()?;
            let connected = zones.iter().filter_map(|zone| zone["instances"].as_array());
            (connected.map(Vec::len).sum::<usize>() >= count).then_some(())
        })
        .await
    }

    /// Waits until a zone says of a MeshGatewayInstance in mesh `default` that all that is wanted are ready,
    /// that these are `count`, and that nothing more runs.
    pub async fn scaled(&self, zone: &str, name: &str, count: u64) -> Result<(), SandboxError> {
        let what = format!("{count} instances of {name} in {zone}");
        until(&what, std::time::Duration::from_secs(60), async || {
            let status = self.status().await.ok()?;
            let named = |list: &Value, name: &str| {
                let mut all = list.as_array()?.iter();
                all.find(|one| one["name"] == name).cloned()
            };
            let scaled = named(&named(&status["zones"], zone)?["scaled"], name)?;
            let counts = ["wanted", "running", "ready"].map(|field| scaled[field].as_u64());
            (counts == [Some(count); 3]).then_some(())
        })
        .await
    }

    /// Waits until the zones of these names are connected.
    pub async fn zones_online(&self, names: &[&str]) -> Result<(), SandboxError> {
        let what = format!("zones {} online", names.join(", "));
        until(&what, std::time::Duration::from_secs(30), async || {
            let status = self.status().await.ok()?;
            let online = |name: &&str| {
                status["zones"].as_array().is_some_and(|zones| {
                    zones
                        .iter()
                        .any(|zone| zone["name"] == **name && zone["online"] == true)
                })
            };
            names.iter().all(online).then_some(())
        })
        .await
    }
}

impl Zone {
    /// Starts it again with the same ports and folder, and waits until it answers.
    pub async fn start(&mut self) -> Result<(), SandboxError> {
        self.process = self.launch.start(&self.http).await?;
        Ok(())
    }

    /// The certificate that data planes must trust.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca/ca.pem")
    }

    /// A token for one Dataplane, as soon as the zone has the key of its mesh.
    pub async fn token(&self, mesh: &str, name: &str) -> Result<String, SandboxError> {
        let request = serde_json::json!({ "mesh": mesh, "name": name, "validFor": "24h0m0s" });
        let what = format!("{} having the signing key of mesh {mesh}", self.name);
        until(&what, std::time::Duration::from_secs(30), async || {
            let answer = self.http.post("/tokens/dataplane", &request).await.ok()?;
            answer.as_str().map(str::to_owned)
        })
        .await
    }

    /// A token for all Dataplanes of a mesh, which a pool needs.
    pub async fn pool_token(&self, mesh: &str) -> Result<String, SandboxError> {
        self.token(mesh, "").await
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()])
        .collect()
}

fn log_filter(given: &str) -> &str {
    if given.is_empty() { "info" } else { given }
}
