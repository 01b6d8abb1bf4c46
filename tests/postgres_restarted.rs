//! Postgres goes and comes back under load: writes succeed or fail with 503, and the feed goes on.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use portolan_sandbox::{GlobalOptions, postgres::Postgres};
use support::{Writers, has_routes, sandbox, zone};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_postgres_loses_nothing_and_the_feed_goes_on() {
    let sandbox = sandbox();
    let mut postgres = Postgres::start().await.unwrap();
    let options = GlobalOptions {
        store: Some(postgres.url()),
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&options).await.unwrap();
    let zone = zone(&sandbox, "zone-1", &global).await;

    let writers = Writers::start(&global.http, "r", 8, 100_000);
    writers.acknowledged(200).await;
    postgres.restart().await.unwrap();
    writers.acknowledged(600).await;
    let (acknowledged, refused) = writers.stop().await;

    assert!(
        refused.is_subset(&BTreeSet::from([503])),
        "refused with {refused:?}"
    );
    has_routes("the global", &global.http, &acknowledged).await;
    has_routes("zone-1", &zone.http, &acknowledged).await;
    postgres.stop().await.unwrap();
}
