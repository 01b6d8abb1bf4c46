//! A Postgres of its own, durable as in production, on a free port of loopback.

use std::{
    env, fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{ExitStatus, Output},
    time::Duration,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{SandboxError, Signal, free_port, process::send, until};

/// Where Debian and Ubuntu keep the servers, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user that owns the database; it needs no password on loopback.
const USER: &str = "portolan";

/// A running server with an empty database. Dropping it kills it and removes its files.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    /// Postgres refuses to run as root; then it runs as the system's user of that name.
    owner: Option<(u32, u32)>,
    port: u16,
    server: Child,
}

impl Postgres {
    /// Makes a database cluster, starts it and waits until it takes connections.
    pub async fn start() -> Result<Self, SandboxError> {
        let programs = programs()?;
        let owner = owner()?;
        let folder = tempfile::Builder::new().prefix("portolan-pg-").tempdir()?;
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data").display().to_string();
        let args = [
            "-D",
            &data,
            "-U",
            USER,
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ];
        let made = command(&programs, owner, "initdb")
            .args(args)
            .output()
            .await?;
        succeeded("initdb", &made)?;
        let port = free_port()?;
        let server = serve(&programs, owner, folder.path(), port)?;
        let mut postgres = Self {
            folder,
            programs,
            owner,
            port,
            server,
        };
        postgres.ready().await?;
        Ok(postgres)
    }

    /// How to connect.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it, cutting all connections, and starts it again.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.stop().await?;
        self.server = serve(&self.programs, self.owner, self.folder.path(), self.port)?;
        self.ready().await
    }

    /// Stops it, cutting all connections.
    pub async fn stop(&mut self) -> Result<(), SandboxError> {
        self.end(Signal::INT).await
    }

    /// Stops it as a crash would: it recovers from its log at the next start.
    pub async fn kill(&mut self) -> Result<(), SandboxError> {
        self.end(Signal::QUIT).await
    }

    async fn end(&mut self, signal: Signal) -> Result<(), SandboxError> {
        send(&self.server, signal);
        self.server.wait().await?;
        Ok(())
    }

    async fn ready(&mut self) -> Result<(), SandboxError> {
        let port = self.port.to_string();
        let probe = ["-q", "-h", "127.0.0.1", "-p", &port, "-U", USER];
        until(
            "Postgres taking connections",
            Duration::from_secs(30),
            async || {
                let status = command(&self.programs, self.owner, "pg_isready")
                    .args(probe)
                    .status();
                status
                    .await
                    .as_ref()
                    .is_ok_and(ExitStatus::success)
                    .then_some(())
            },
        )
        .await
    }
}

fn serve(
    programs: &Path,
    owner: Option<(u32, u32)>,
    folder: &Path,
    port: u16,
) -> Result<Child, SandboxError> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("postgres.log"))?;
    let start = |source| SandboxError::Start {
        name: "postgres".to_owned(),
        source,
    };
    command(programs, owner, "postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder)
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)
}

fn command(programs: &Path, owner: Option<(u32, u32)>, program: &str) -> Command {
    let mut command = Command::new(programs.join(program));
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    // The folder that tests run in may be closed to that user.
    command.current_dir("/");
    command
}

fn succeeded(name: &str, output: &Output) -> Result<(), SandboxError> {
    if output.status.success() {
        return Ok(());
    }
    Err(SandboxError::Ended {
        name: name.to_owned(),
        status: output.status.to_string(),
        log: PathBuf::from("standard error"),
        tail: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The folder with `initdb` and `postgres`: on the PATH, or the newest that Debian has.
fn programs() -> Result<PathBuf, SandboxError> {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find(complete);
    let version = |folder: &PathBuf| -> u32 {
        folder
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
            .unwrap_or_default()
    };
    let debian = || {
        let folders = fs::read_dir(DEBIAN)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()));
        let newest = folders
            .filter(|folder| complete(&folder.join("bin")))
            .max_by_key(version);
        newest.map(|folder| folder.join("bin"))
    };
    on_path.or_else(debian).ok_or(SandboxError::NoPostgres)
}

/// The user to run as: `postgres` if this is root, else the current one.
fn owner() -> Result<Option<(u32, u32)>, SandboxError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.map(Some).ok_or(SandboxError::NoPostgres)
}
