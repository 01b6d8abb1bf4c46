//! Several replicas on one Postgres see one order, also when connections break.

use std::{sync::Arc, time::Duration};

use portolan_model::Revision;
use portolan_store::{Change, Store};
use tokio::task::JoinHandle;

use crate::support::{KIND, Postgres, Subject, commit, content, put};

/// Follows a replica until `last`; every change must come once and in order.
fn follow(store: &Arc<dyn Store>, last: Revision) -> JoinHandle<Vec<Revision>> {
    let mut index = store.index().subscribe();
    tokio::spawn(async move {
        let mut seen: Vec<Revision> = Vec::new();
        loop {
            let snapshot = index.borrow_and_update().clone();
            let from = seen.last().copied().unwrap_or_default();
            for change in snapshot.changes_after(KIND, from) {
                assert!(matches!(change, Change::Put(_)));
                seen.push(change.revision());
            }
            if snapshot.revision() >= last {
                return seen;
            }
            index.changed().await.unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_with_eight_writers_each_see_one_order() {
    let subject = Postgres::start().await;
    let replicas = [subject.store().clone(), subject.replica().await];
    let followers = replicas.each_ref().map(|replica| follow(replica, 400));
    let mut writers = Vec::new();
    for (number, replica) in replicas.iter().enumerate() {
        for writer in 0..8 {
            let replica = replica.clone();
            writers.push(tokio::spawn(async move {
                for write in 0..25 {
                    let name = format!("r{number}-{writer}-{write}");
                    commit(&replica, vec![put(&name, "1")]).await.unwrap();
                }
            }));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for follower in followers {
        assert_eq!(follower.await.unwrap(), (1..=400).collect::<Vec<_>>());
    }
    assert_eq!(content(&replicas[0]), content(&replicas[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_loses_nothing_and_the_feed_goes_on() {
    let mut subject = Postgres::start().await;
    let replica = subject.replica().await;
    let mut acknowledged = 0;
    for number in 0..20 {
        commit(subject.store(), vec![put(&format!("before{number}"), "1")])
            .await
            .unwrap();
        acknowledged += 1;
    }
    subject.server.restart().await.unwrap();
    for number in 0..20 {
        // The first writes may find the connection broken; then nothing was written.
        while commit(subject.store(), vec![put(&format!("after{number}"), "1")])
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        acknowledged += 1;
    }
    let mut index = replica.index().subscribe();
    let wait = index.wait_for(|snapshot| snapshot.count(KIND, None) == acknowledged);
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(content(&replica), content(subject.store()));
}
