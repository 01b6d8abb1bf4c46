//! One Envoy process, bound to this one.

use std::{
    ffi::OsString,
    io,
    process::{ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// How long to wait for the end of the output of a process that has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandLine {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
}

impl CommandLine {
    /// The same command, but the kernel kills it when the thread that started it ends, for whatever
    /// reason. `setpriv` asks the kernel for that and then becomes the command, with the same process id.
    pub(super) async fn bound_to_parent(self) -> Self {
        let supported = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .is_ok_and(|status| status.success());
        if !supported {
            tracing::warn!(
                "setpriv (util-linux) is missing: Envoy stays if this process is killed"
            );
            return self;
        }
        let prefix = ["--pdeathsig", "KILL", "--"].map(OsString::from);
        let args = prefix
            .into_iter()
            .chain([self.program])
            .chain(self.args)
            .collect();
        Self {
            program: "setpriv".into(),
            args,
        }
    }
}

/// A running Envoy. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: u32,
    last_words: JoinHandle<String>,
    /// Dropped last: then the thread that started the process ends.
    _parent: mpsc::Sender<()>,
}

impl Process {
    /// Starts a process, with its output going into the log.
    pub(super) async fn start(line: &CommandLine) -> io::Result<Self> {
        let (mut child, parent) = spawn(line).await?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("it ended at once"))?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(forward(stdout));
        }
        let last_words = match child.stderr.take() {
            Some(stderr) => tokio::spawn(forward(stderr)),
            None => tokio::spawn(async { String::new() }),
        };
        Ok(Self {
            child,
            pid,
            last_words,
            _parent: parent,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The last line that it wrote to stderr, once it has ended.
    pub(super) async fn last_words(self) -> String {
        match timeout(LAST_WORDS, self.last_words).await {
            Ok(Ok(line)) if !line.is_empty() => line,
            _ => "(none)".to_owned(),
        }
    }

    /// Ends it: asks first, and kills it when it is still there after `grace`.
    pub(super) async fn stop(mut self, grace: Duration) -> io::Result<ExitStatus> {
        // Not yet waited for, so the id cannot belong to another process.
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        match timeout(grace, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                tracing::warn!(pid = self.pid, "Envoy does not end by itself; killing it");
                self.child.start_kill()?;
                self.child.wait().await
            }
        }
    }
}

/// Starts the process from a thread of its own, which lives until the returned sender is dropped. The
/// kernel's notion of a parent's death is that of the thread, and threads of the runtime come and go.
async fn spawn(line: &CommandLine) -> io::Result<(Child, mpsc::Sender<()>)> {
    let mut command = Command::new(&line.program);
    command
        .args(&line.args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C in the terminal is for this process, which then drains Envoy.
        .process_group(0)
        .kill_on_drop(true);
    let (parent, gone) = mpsc::channel::<()>();
    let (started, child) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("envoy-parent".to_owned())
        .spawn(move || {
            let _context = runtime.enter();
            if started.send(command.spawn()).is_ok() {
                // Nothing is ever sent: this ends when the sender is dropped.
                let _ = gone.recv();
            }
        })?;
    let child = child
        .await
        .map_err(|_| io::Error::other("its thread ended"))??;
    Ok((child, parent))
}

/// Logs each line, and returns the last one.
async fn forward(output: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(output).lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        log(&line);
        last = line;
    }
    last
}

/// Envoy writes `[time][thread][level][component] [file:line] message`.
fn log(line: &str) {
    match level(line) {
        "critical" | "error" => tracing::error!(target: "envoy", "{line}"),
        "warning" => tracing::warn!(target: "envoy", "{line}"),
        "debug" | "trace" => tracing::debug!(target: "envoy", "{line}"),
        _ => tracing::info!(target: "envoy", "{line}"),
    }
}

fn level(line: &str) -> &str {
    line.split(['[', ']'])
        .filter(|part| !part.is_empty())
        .nth(2)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
        }
    }

    #[tokio::test]
    async fn a_process_that_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let trapped = folder.path().join("trapped");
        let script = format!(
            "trap '' TERM; : > {}; while :; do sleep 0.05; done",
            trapped.display()
        );
        let line = shell(&script).bound_to_parent().await;
        let process = Process::start(&line).await.unwrap();
        while !trapped.exists() {
            tokio::task::yield_now().await;
        }
        let status = process.stop(Duration::from_millis(100)).await.unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[tokio::test]
    async fn last_words_are_kept() {
        let mut process = Process::start(&shell("echo one >&2; echo two >&2; exit 3"))
            .await
            .unwrap();
        assert_eq!(process.ended().await.unwrap().code(), Some(3));
        assert_eq!(process.last_words().await, "two");
    }

    #[test]
    fn the_level_of_a_line_is_found() {
        let line = "[2026-01-02 03:04:05.678][12][warning][config] [source/x.cc:1] gRPC [a] closed";
        assert_eq!(level(line), "warning");
        assert_eq!(level("no brackets"), "");
        assert_eq!(level(""), "");
    }
}
