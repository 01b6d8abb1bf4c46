//! Revisions and the optimistic lock.

use crate::support::{Answer, Served, mesh_gateway, serve};
use portolan_api::Role;

const EDGE: &str = "/meshes/default/meshgateways/edge";

async fn put_if(served: &Served, header: (&str, &str), port: u16) -> Answer {
    served
        .send(
            "PUT",
            EDGE,
            &[header],
            mesh_gateway("edge", port).to_string(),
        )
        .await
}

#[tokio::test]
async fn every_write_tells_its_revision() {
    let served = serve(Role::Global).await;
    let before = served.store.index().snapshot().revision();
    let revisions = [
        served.put(EDGE, &mesh_gateway("edge", 8080)).await,
        served.put(EDGE, &mesh_gateway("edge", 8081)).await,
        served.put(EDGE, &mesh_gateway("edge", 8081)).await,
        served.delete(EDGE).await,
    ]
    .map(|answer| {
        answer
            .header("portolan-revision")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    });
    // The third write changed nothing: it names a moment at which it held.
    assert_eq!(revisions.map(|revision| revision - before), [1, 2, 2, 3]);
}

#[tokio::test]
async fn a_write_may_insist_on_a_version() {
    let served = serve(Role::Global).await;
    assert_eq!(
        put_if(&served, ("if-match", "\"1\""), 8080).await.status,
        409
    );
    assert_eq!(put_if(&served, ("if-match", "*"), 8080).await.status, 409);
    assert_eq!(
        put_if(&served, ("if-none-match", "*"), 8080).await.status,
        201
    );
    assert_eq!(
        put_if(&served, ("if-none-match", "*"), 8081).await.status,
        409
    );
    assert_eq!(served.get(EDGE).await.header("etag"), Some("\"1\""));

    assert_eq!(
        put_if(&served, ("if-match", "\"1\""), 8081).await.status,
        200
    );
    assert_eq!(served.get(EDGE).await.header("etag"), Some("\"2\""));
    let stale = put_if(&served, ("if-match", "\"1\""), 8082).await;
    assert_eq!(stale.status, 409);
    let told = stale.json();
    assert_eq!(told["title"], "Conflict");
    let detail =
        "MeshGateway/default/edge has version 2 and not version 1: read it again and retry";
    assert_eq!(told["detail"], detail);
    assert_eq!(
        served.get(EDGE).await.json()["conf"]["listeners"][0]["port"],
        8081
    );
}

#[tokio::test]
async fn a_deletion_may_insist_on_a_version() {
    let served = serve(Role::Global).await;
    served.put(EDGE, &mesh_gateway("edge", 8080)).await;
    let delete = async |version| {
        served
            .send("DELETE", EDGE, &[("if-match", version)], "")
            .await
    };
    assert_eq!(delete("\"7\"").await.status, 409);
    assert_eq!(served.get(EDGE).await.status, 200);
    assert_eq!(delete("\"1\"").await.status, 200);
    assert_eq!(served.get(EDGE).await.status, 404);
}

#[tokio::test]
async fn locks_that_are_none_are_refused() {
    let served = serve(Role::Global).await;
    for header in [
        ("if-match", "\"x\""),
        ("if-match", ""),
        ("if-none-match", "\"1\""),
    ] {
        assert_eq!(
            put_if(&served, header, 8080).await.status,
            400,
            "{header:?}"
        );
    }
    assert_eq!(served.get(EDGE).await.status, 404);
}

#[tokio::test]
async fn writers_of_one_resource_do_not_refuse_each_other() {
    let served = serve(Role::Global).await;
    let writes = (0..32).map(|n| {
        let served = &served;
        async move {
            served
                .put(EDGE, &mesh_gateway("edge", 8000 + n))
                .await
                .status
        }
    });
    let statuses = futures::future::join_all(writes).await;
    assert_eq!(statuses.iter().filter(|&&status| status == 201).count(), 1);
    assert!(
        statuses.iter().all(|status| [200, 201].contains(status)),
        "{statuses:?}"
    );
}
