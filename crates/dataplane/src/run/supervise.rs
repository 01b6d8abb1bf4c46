//! Keeping an Envoy up, and ending it well.

use std::{convert::Infallible, ffi::OsString, future, io, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Phase, RunConfig, RunError,
    admin::Admin,
    drain::drain,
    folder::Folder,
    patience::{PATIENCE, Patience},
    process::{CommandLine, Process},
};

/// How often a starting Envoy is asked whether it serves.
const READY_BEAT: Duration = Duration::from_millis(50);
/// How long Envoy may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

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
    let mut patience = Patience::default();
    loop {
        phase.send_replace(Phase::Starting);
        let mut process = Process::start(&line).await.map_err(cannot_start)?;
        let (pid, start) = (process.pid(), Instant::now());
        tracing::info!(pid, "Envoy started");
        let status = tokio::select! {
            status = process.ended() => status.map_err(cannot_start)?.to_string(),
            () = cancel.cancelled() => {
                return stop(process, &admin, config, phase).await.map_err(cannot_start);
            }
            never = announce(&admin, pid, phase) => match never {},
        };
        let last_words = process.last_words().await;
        let served = matches!(*phase.borrow(), Phase::Live { .. });
        let Some(pause) = patience.pause(served, start.elapsed()) else {
            return Err(RunError::KeepsEnding {
                times: PATIENCE,
                status,
                last_words,
            });
        };
        tracing::error!(
            pid,
            status,
            last_words,
            ?pause,
            "Envoy ended; starting it again"
        );
        tokio::select! {
            () = sleep(pause) => (),
            () = cancel.cancelled() => return Ok(()),
        }
    }
}

/// Drains an Envoy that serves, then ends it.
async fn stop(
    mut process: Process,
    admin: &Admin,
    config: &RunConfig,
    phase: &watch::Sender<Phase>,
) -> io::Result<()> {
    let RunConfig {
        drain_time,
        drain_delay,
        ..
    } = *config;
    let served = matches!(phase.send_replace(Phase::Draining), Phase::Live { .. });
    if served {
        let pid = process.pid();
        tracing::info!(pid, ?drain_time, ?drain_delay, "draining Envoy");
        tokio::select! {
            () = drain(admin, pid, drain_delay, drain_time) => (),
            status = process.ended() => {
                status?;
                return Ok(());
            }
        }
    }
    let status = process.stop(GRACE).await?;
    tracing::info!(%status, "Envoy ended");
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
    let mut args: Vec<OsString> = vec!["--config-path".into(), folder.config().into()];
    let mut option = |name: &str, value: String| args.extend([name.into(), value.into()]);
    option("--log-level", config.log_level.clone());
    option(
        "--drain-time-s",
        config.drain_time.as_secs().max(1).to_string(),
    );
    option("--drain-strategy", "immediate".to_owned());
    // Whoever follows an access log need not wait Envoy's usual ten seconds.
    option("--file-flush-interval-msec", "1000".to_owned());
    if let Some(workers) = config.concurrency {
        option("--concurrency", workers.to_string());
    } else {
        args.push("--cpuset-threads".into());
    }
    // Without hot restart many Envoys run on one machine and need no id each.
    args.push("--disable-hot-restart".into());
    CommandLine {
        program: config.envoy.path.clone().into(),
        args,
    }
}
