//! Many zones at once, and some that do not behave.

use std::{collections::BTreeSet, net::SocketAddr};

use futures::future::join_all;

use crate::support::{LIMIT, acknowledge, open, put, route, serve, store};

const ZONES: usize = 40;
const CHANGES: usize = 60;

fn name(change: usize) -> String {
    format!("route-{change}")
}

/// Plays a zone until it has every route.
async fn follow(address: SocketAddr, zone: String) {
    let (requests, mut responses) = open(address, &zone).await;
    let mut missing: BTreeSet<_> = (0..CHANGES)
        .map(|change| name(change) + ".default")
        .collect();
    while !missing.is_empty() {
        let response = responses.message().await.unwrap().unwrap();
        for resource in &response.resources {
            missing.remove(&resource.name);
        }
        requests.send(acknowledge(&response)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_arrives_at_every_zone() {
    let global = serve("global-1", store()).await;
    let zones: Vec<_> = (0..ZONES)
        .map(|zone| tokio::spawn(follow(global.address, format!("zone-{zone}"))))
        .collect();
    for change in 0..CHANGES {
        put(&global.store, [route(&name(change))]).await;
    }
    for zone in tokio::time::timeout(LIMIT, join_all(zones)).await.unwrap() {
        zone.unwrap();
    }
    let mut seen = global.zones.clone();
    let online = seen.wait_for(|zones| zones.len() == ZONES);
    tokio::time::timeout(LIMIT, online).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_that_do_not_read_hold_nobody_up() {
    let global = serve("global-1", store()).await;
    let mut deaf = Vec::new();
    for number in 0..5 {
        deaf.push(open(global.address, &format!("deaf-{number}")).await);
    }
    for change in 0..CHANGES {
        put(&global.store, [route(&name(change))]).await;
    }
    let follows = follow(global.address, "zone-1".to_owned());
    tokio::time::timeout(LIMIT, follows).await.unwrap();
    // A zone that was deaf opens another stream, and gets everything on that.
    let follows = follow(global.address, "deaf-0".to_owned());
    tokio::time::timeout(LIMIT, follows).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_opens_a_second_stream_loses_the_first() {
    let global = serve("global-1", store()).await;
    let (_requests, mut first) = open(global.address, "zone-1").await;
    first.message().await.unwrap();
    let _second = open(global.address, "zone-1").await;
    let ended = tokio::time::timeout(LIMIT, async {
        loop {
            if let Err(status) = first.message().await {
                return status;
            }
        }
    });
    assert_eq!(ended.await.unwrap().code(), tonic::Code::Aborted);
}
