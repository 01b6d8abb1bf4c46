//! What clients are told when the store or the process is in trouble.

use std::{future::pending, sync::Arc, time::Duration};

use crate::support::{Answer, mesh_gateway, serve_with};
use portolan_api::{Api, Role};
use portolan_model::{ResourceKey, kinds};
use portolan_store::{Batch, Committed, Index, Store, StoreError};

const EDGE: &str = "/meshes/default/meshgateways/edge";

/// Reads like another store; each write ends as told.
struct Troubled {
    reads: Arc<dyn Store>,
    trouble: Trouble,
}

#[derive(Clone, Copy)]
enum Trouble {
    Away,
    Lost,
    MeshGone,
    Hangs,
    Panics,
}

#[async_trait::async_trait]
impl Store for Troubled {
    async fn commit(&self, _: Batch) -> Result<Committed, StoreError> {
        match self.trouble {
            Trouble::Away => Err(StoreError::Unavailable("connection refused".to_owned())),
            Trouble::Lost => Err(StoreError::Unknown("connection reset".to_owned())),
            Trouble::MeshGone => Err(StoreError::Missing {
                key: ResourceKey::global(kinds::MESH, "default"),
            }),
            Trouble::Hangs => pending().await,
            Trouble::Panics => panic!("on purpose"),
        }
    }

    fn index(&self) -> &Arc<Index> {
        self.reads.index()
    }
}

async fn put_in(trouble: Trouble) -> Answer {
    let mut healthy = None;
    let served = serve_with(|api| {
        healthy = Some(Arc::clone(&api.store));
        let store = Arc::new(Troubled {
            reads: Arc::clone(&api.store),
            trouble,
        });
        Api {
            store,
            timeout: Duration::from_millis(50),
            role: Role::Global,
            ..api
        }
    })
    .await;
    served.put(EDGE, &mesh_gateway("edge", 8080)).await
}

#[tokio::test]
async fn a_store_that_is_away_is_told_with_when_to_retry() {
    let answer = put_in(Trouble::Away).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("connection refused"), "{detail}");
}

#[tokio::test]
async fn a_write_of_unknown_fate_is_told_as_such() {
    let answer = put_in(Trouble::Lost).await;
    assert_eq!(answer.status, 503);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("read again to see whether the write is there"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_mesh_that_goes_during_the_write_is_missing() {
    let answer = put_in(Trouble::MeshGone).await;
    assert_eq!(
        (answer.status, answer.json()["title"].as_str()),
        (404, Some("Failed to retrieve Mesh"))
    );
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_ended() {
    let answer = put_in(Trouble::Hangs).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_panic_is_an_answer_too() {
    let answer = put_in(Trouble::Panics).await;
    assert_eq!(
        (answer.status, answer.json()["title"].as_str()),
        (500, Some("Internal Server Error"))
    );
}
