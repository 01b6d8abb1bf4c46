//! kill -9 of the global while eight clients write: what was acknowledged is never lost.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Writers, global, has_routes, sandbox, zone};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kill_9_and_reach_both_zones() {
    let sandbox = sandbox();
    let mut global = global(&sandbox).await;
    let zones = [
        zone(&sandbox, "zone-1", &global).await,
        zone(&sandbox, "zone-2", &global).await,
    ];

    let writers = Writers::start(&global.http, "r", 8, 125);
    writers.acknowledged(300).await;
    global.process.kill().await.unwrap();
    let (acknowledged, _) = writers.stop().await;
    assert!(
        acknowledged.len() < 1000,
        "the global was killed too late to show anything"
    );

    global.start().await.unwrap();
    has_routes("the restarted global", &global.http, &acknowledged).await;
    for zone in &zones {
        has_routes(&zone.name, &zone.http, &acknowledged).await;
    }
}
