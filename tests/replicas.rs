//! Two globals on one Postgres: one order for all, and zones that move to the replica that is left.

#![allow(clippy::unwrap_used)]

mod support;

use portolan_sandbox::{GlobalOptions, ZoneOptions, postgres::Postgres};
use support::{Writers, has_routes, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_and_a_zone_moves_when_its_replica_dies() {
    let sandbox = sandbox();
    let mut postgres = Postgres::start().await.unwrap();
    let replica = |name: &str| GlobalOptions {
        name: name.to_owned(),
        store: Some(postgres.url()),
        ..GlobalOptions::default()
    };
    let mut a = sandbox.global(&replica("global-a")).await.unwrap();
    let b = sandbox.global(&replica("global-b")).await.unwrap();
    let options = ZoneOptions::default();
    let one = sandbox.zone("zone-1", &[&a, &b], &options).await.unwrap();
    let two = sandbox.zone("zone-2", &[&b, &a], &options).await.unwrap();
    a.zones_online(&["zone-1", "zone-2"]).await.unwrap();

    let writers = [
        Writers::start(&a.http, "a", 8, 50),
        Writers::start(&b.http, "b", 8, 50),
    ];
    let mut all = std::collections::BTreeSet::new();
    for writers in writers {
        let (acknowledged, refused) = writers.finish().await;
        assert_eq!(acknowledged.len(), 400, "refused with {refused:?}");
        all.extend(acknowledged);
    }
    for (what, http) in [
        ("replica a", &a.http),
        ("replica b", &b.http),
        ("zone-1", &one.http),
        ("zone-2", &two.http),
    ] {
        has_routes(what, http, &all).await;
    }

    a.process.kill().await.unwrap();
    let writers = Writers::start(&b.http, "c", 8, 10);
    let (acknowledged, refused) = writers.finish().await;
    assert_eq!(acknowledged.len(), 80, "refused with {refused:?}");
    for zone in [&one, &two] {
        has_routes(&zone.name, &zone.http, &acknowledged).await;
    }
    postgres.stop().await.unwrap();
}
