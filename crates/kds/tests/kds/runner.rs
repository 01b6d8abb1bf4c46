//! The runner of a zone against a global: it follows, is cut off, and goes on.

use portolan_model::{ResourceKey, kinds, labels};
use portolan_sandbox::Link;
use tokio::net::TcpListener;

use crate::support::{delete, names, put, route, serve, store, until, zone};

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_follows_and_resumes_with_only_the_difference() {
    let global = serve("global-1", store()).await;
    let link = Link::to(global.address).await.unwrap();
    let many = (0..2000).map(|number| route(&format!("route-{number}")));
    put(&global.store, many).await;
    let zone = zone("zone-1", &[link.address()], store());
    let routes = kinds::MESH_GATEWAY_ROUTE;
    until(&zone.store, |it| it.count(routes, None) == 2000).await;
    let listing = link.bytes_to_client();

    link.cut();
    put(&global.store, [route("new")]).await;
    delete(&global.store, route("route-7")).await;
    link.mend();
    until(&zone.store, |it| {
        let names = names(it, routes);
        names.contains(&"new".to_owned()) && !names.contains(&"route-7".to_owned())
    })
    .await;
    let difference = link.bytes_to_client() - listing;
    assert!(difference * 20 < listing, "{difference} after {listing}");
    let revision = global.store.index().snapshot().last_change(routes);
    until(&zone.store, |it| {
        it.watermark().is_some_and(|mark| mark.revision >= revision)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zones_dataplane_arrives_under_its_name_and_goes() {
    let global = serve("global-1", store()).await;
    let zone = zone("zone-1", &[global.address], store());
    let api = ResourceKey::in_mesh(kinds::DATAPLANE, "default", "api-1");
    let there = ResourceKey::in_mesh(kinds::DATAPLANE, "default", "api-1-459fz76v78dx449x");
    put(&zone.store, [api.clone()]).await;
    until(&global.store, |it| it.get(&there).is_some()).await;
    let labels = global
        .store
        .index()
        .snapshot()
        .get(&there)
        .unwrap()
        .labels
        .clone();
    assert_eq!(labels[labels::ZONE], "zone-1");
    assert_eq!(labels[labels::DISPLAY_NAME], "api-1");
    delete(&zone.store, api).await;
    until(&global.store, |it| it.get(&there).is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_dead_in_silence_is_left_for_another() {
    // The kernel takes connections, and nobody ever answers on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let global = serve("global-1", store()).await;
    put(&global.store, [route("a")]).await;
    let addresses = [silent.local_addr().unwrap(), global.address];
    let zone = zone("zone-1", &addresses, store());
    let routes = kinds::MESH_GATEWAY_ROUTE;
    until(&zone.store, |it| it.count(routes, None) == 1).await;
}
