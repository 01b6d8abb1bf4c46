//! Taking leave: clients are sent away before Envoy ends.
//!
//! 1. Health checks fail and answers say that the connection closes, for load balancers to go elsewhere.
//!    Until they have noticed, new connections are taken.
//! 2. The listening sockets close. Others that share their ports take what is new.
//! 3. What is open ends with its next answer, or when the time is over.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{
    admin::{Admin, AdminError},
    listeners,
};

/// How often the open connections are counted.
const BEAT: Duration = Duration::from_millis(100);
/// The part of the drain time in which new connections are taken, and its most.
const NOTICE: (u32, Duration) = (4, Duration::from_secs(5));

/// Lets the connections of a serving Envoy end, for `longest` at most. It goes on taking new ones for
/// `delay` at least, even if none is open: whoever sends them needs that long to notice.
pub(super) async fn drain(admin: &Admin, pid: u32, delay: Duration, longest: Duration) {
    match timeout(longest, ask_and_wait(admin, pid, delay, longest)).await {
        Ok(Ok(())) => tracing::info!("all connections have ended"),
        Ok(Err(error)) => tracing::warn!(%error, "Envoy cannot be drained; stopping it at once"),
        Err(_) => {
            let open = admin.connections().await.unwrap_or_default();
            tracing::info!(open, "the drain time is over");
        }
    }
}

async fn ask_and_wait(
    admin: &Admin,
    pid: u32,
    delay: Duration,
    longest: Duration,
) -> Result<(), AdminError> {
    admin.fail_health_checks().await?;
    admin.drain().await?;
    sleep(delay).await;
    let (part, most) = NOTICE;
    let rest = most.min(longest / part).saturating_sub(delay);
    if let Ok(idle) = timeout(rest, idle(admin)).await {
        idle?;
    }
    listeners::turn_away(pid).await;
    admin.close_listeners().await?;
    // The workers close their sockets after the answer, and may accept one more before.
    sleep(BEAT).await;
    idle(admin).await
}

/// Waits until no connection is open.
async fn idle(admin: &Admin) -> Result<(), AdminError> {
    while admin.connections().await? > 0 {
        sleep(BEAT).await;
    }
    Ok(())
}
