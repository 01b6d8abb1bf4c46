//! Keeping an Envoy up, and ending it well.

use std::{convert::Infallible, ffi::OsString, future, io, process::ExitStatus, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Phase, RunConfig, RunError,
    admin::Admin,
    drain::drain,
    folder::Folder,
    process::{CommandLine, Process},
};

/// How often a starting Envoy is asked whether it serves.
const READY_BEAT: Duration = Duration::from_millis(50);
/// Pauses before a restart.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// So many Envoys may end before one has served.
const PATIENCE: u32 = 5;

/// Runs Envoys, one after the other, until cancelled.
pub(super) async fn supervise(
    config: &RunConfig,
    folder: &Folder,
    phase: &watch::Sender<Phase>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let line = command_line(config, folder).bound_to_parent().await;
    let admin = Admin::at(folder.admin());
    let cannot_start = |error: io::Error| RunError::Start {
        path: config.envoy.path.clone(),
        reason: error.to_string(),
    };
    let (mut in_vain, mut pauses) = (0, pauses());
    loop {
        phase.send_replace(Phase::Starting);
        let mut process = Process::start(&line).await.map_err(cannot_start)?;
        tracing::info!(pid = process.pid(), "Envoy started");
        let pid = process.pid();
        let status = tokio::select! {
            status = process.ended() => status,
            () = cancel.cancelled() => {
                return stop(process, &admin, config.drain_time, phase).await.map_err(cannot_start);
            }
            never = announce(&admin, pid, phase) => match never {},
        };
        let status = status.map_or_else(|error| error.to_string(), describe);
        let last_words = process.last_words().await;
        if matches!(*phase.borrow(), Phase::Live { .. }) {
            (in_vain, pauses) = (0, self::pauses());
        } else {
            in_vain += 1;
        }
        tracing::error!(status, last_words, "Envoy ended; starting it again");
        if in_vain >= PATIENCE {
            return Err(RunError::KeepsEnding {
                times: in_vain,
                status,
                last_words,
            });
        }
        tokio::select! {
            () = sleep(pauses.next().unwrap_or(LAST_PAUSE)) => (),
            () = cancel.cancelled() => return Ok(()),
        }
    }
}

/// Drains an Envoy that serves, then ends it.
async fn stop(
    mut process: Process,
    admin: &Admin,
    drain_time: Duration,
    phase: &watch::Sender<Phase>,
) -> io::Result<()> {
    let served = matches!(phase.send_replace(Phase::Draining), Phase::Live { .. });
    if served {
        tracing::info!(?drain_time, "draining Envoy");
        tokio::select! {
            () = drain(admin, drain_time) => (),
            status = process.ended() => {
                status?;
                return Ok(());
            }
        }
    }
    let status = process.stop().await?;
    tracing::info!(status = describe(status), "Envoy ended");
    Ok(())
}

/// Tells when Envoy serves.
async fn announce(admin: &Admin, pid: u32, phase: &watch::Sender<Phase>) -> Infallible {
    while !admin.is_live().await {
        sleep(READY_BEAT).await;
    }
    tracing::info!(pid, admin = %admin.socket().display(), "Envoy is live");
    phase.send_replace(Phase::Live {
        admin: admin.socket().to_owned(),
        pid,
    });
    future::pending().await
}

fn command_line(config: &RunConfig, folder: &Folder) -> CommandLine {
    let drain_seconds = config.drain_time.as_secs().max(1).to_string();
    let mut args: Vec<OsString> = vec!["--config-path".into(), folder.config().into()];
    args.extend(
        [
            "--drain-time-s",
            &drain_seconds,
            "--drain-strategy",
            "immediate",
        ]
        .map(Into::into),
    );
    // Without hot restart many Envoys run on one machine and need no id each.
    args.push("--disable-hot-restart".into());
    args.extend(["--log-level", &config.log_level].map(Into::into));
    match config.concurrency {
        Some(workers) => args.extend(["--concurrency", &workers.to_string()].map(Into::into)),
        None => args.push("--cpuset-threads".into()),
    }
    CommandLine {
        program: config.envoy.path.clone().into(),
        args,
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LAST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// `exit status: 1` or `signal: 9 (SIGKILL)`.
fn describe(status: ExitStatus) -> String {
    status.to_string()
}
