//! One child process with its log file.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tokio::process::{Child, Command};

use crate::{SandboxError, http::until};

/// How long a process may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Lines of the log that an error shows.
const TAIL_LINES: usize = 15;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `binary`; what it prints goes to `log`, after what is there.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        binary: &Path,
        args: impl IntoIterator<Item = A>,
        environment: &[(&str, String)],
        log: PathBuf,
    ) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Start {
            name: name.to_owned(),
            source,
        };
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(failed)?;
        let child = Command::new(binary)
            .args(args)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            // Ctrl-C in a terminal goes to the parent alone, which stops its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where it logs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends a signal; nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// SIGTERM, and SIGKILL to what does not heed it.
    pub async fn stop(&mut self) -> Result<(), SandboxError> {
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP_LIMIT, self.child.wait())
            .await
            .is_err()
        {
            self.kill().await?;
        }
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<(), SandboxError> {
        Ok(self.child.kill().await?)
    }

    /// An error if it has ended.
    pub fn check(&mut self) -> Result<(), SandboxError> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(SandboxError::Ended {
                name: self.name.clone(),
                status: status.to_string(),
                log: self.log.clone(),
                tail: self.tail(),
            }),
        }
    }

    /// Waits for a condition, or for the end of the process.
    pub async fn ready<F, T>(&mut self, what: &str, condition: F) -> Result<T, SandboxError>
    where
        F: AsyncFn() -> Option<T>,
    {
        let process = std::cell::RefCell::new(self);
        until(what, Duration::from_secs(30), async || {
            if let Err(ended) = process.borrow_mut().check() {
                return Some(Err(ended));
            }
            condition().await.map(Ok)
        })
        .await?
    }

    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// Sends a signal to a child; nothing happens if it has ended.
pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // It may end between the look and the signal; then there is nobody to tell.
        let _ = kill_process(pid, signal);
    }
}
