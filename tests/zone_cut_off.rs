//! A zone without its global: only the difference is sent afterwards, and nobody else waits for it.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use portolan_sandbox::{Link, Signal, ZoneOptions, until};
use serde_json::json;
use support::{LIMIT, global, has_routes, route, route_names, route_url, sandbox, zone};

/// Enough that a full state is far larger than a difference.
const ROUTES: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_was_cut_off_gets_only_the_difference() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let link = Link::to(global.kds_address().unwrap()).await.unwrap();
    let options = ZoneOptions {
        through: vec![link.address()],
        ..ZoneOptions::default()
    };
    let zone = sandbox.zone("zone-1", &[&global], &options).await.unwrap();

    let names: BTreeSet<String> = (0..ROUTES).map(|number| format!("r-{number}")).collect();
    let resources: Vec<_> = names
        .iter()
        .map(|name| route(name, &format!("/{name}"), "api"))
        .collect();
    global
        .http
        .post("/_apply", &json!({ "resources": resources }))
        .await
        .unwrap();
    has_routes("zone-1", &zone.http, &names).await;
    let full = link.bytes_to_client();

    link.cut();
    until("the zone being offline", LIMIT, async || {
        let status = global.status().await.ok()?;
        (status["zones"][0]["online"] == false).then_some(())
    })
    .await
    .unwrap();
    global
        .http
        .put(&route_url("late"), &route("late", "/late", "api"))
        .await
        .unwrap();
    global.http.delete(&route_url("r-7")).await.unwrap();
    link.mend();

    until("the difference having arrived", LIMIT, async || {
        let names = route_names(&zone.http).await?;
        (names.contains("late") && !names.contains("r-7")).then_some(())
    })
    .await
    .unwrap();
    let difference = link.bytes_to_client() - full;
    assert!(
        difference * 10 < full,
        "{difference} bytes for one change and one removal, {full} for the full state"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_zone_delays_nobody() {
    let sandbox = sandbox();
    let global = global(&sandbox).await;
    let stopped = zone(&sandbox, "zone-1", &global).await;
    let other = zone(&sandbox, "zone-2", &global).await;

    stopped.process.signal(Signal::STOP);
    let mut names = BTreeSet::new();
    for number in 0..50 {
        let name = format!("r-{number}");
        global
            .http
            .put(&route_url(&name), &route(&name, &format!("/{name}"), "api"))
            .await
            .unwrap();
        names.insert(name);
    }
    has_routes("zone-2", &other.http, &names).await;
    stopped.process.signal(Signal::CONT);
    has_routes("zone-1", &stopped.http, &names).await;
}
