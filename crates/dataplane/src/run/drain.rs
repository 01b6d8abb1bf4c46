//! Taking leave: clients are sent away before Envoy ends.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::admin::{Admin, AdminError};

/// How often the open connections are counted.
const BEAT: Duration = Duration::from_millis(100);

/// Lets the connections of a serving Envoy end, for `longest` at most.
pub(super) async fn drain(admin: &Admin, longest: Duration) {
    match timeout(longest, ask_and_wait(admin)).await {
        Ok(Ok(())) => tracing::info!("all connections have ended"),
        Ok(Err(error)) => tracing::warn!(%error, "Envoy cannot be drained; stopping it at once"),
        Err(_) => {
            let open = admin.connections().await.unwrap_or_default();
            tracing::info!(open, "the drain time is over");
        }
    }
}

async fn ask_and_wait(admin: &Admin) -> Result<(), AdminError> {
    admin.fail_health_checks().await?;
    admin.drain().await?;
    while admin.connections().await? > 0 {
        sleep(BEAT).await;
    }
    Ok(())
}
