//! What a store tells of its writer.

use std::{sync::Arc, time::Duration};

use portolan_store::{Batch, Observer};
use tokio::sync::watch;

use crate::support::{Postgres, Subject, commit, put};

/// What was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Committed(usize),
    Failed,
    Followed,
}

struct Listener(watch::Sender<Vec<Told>>);

impl Listener {
    fn hear(&self, told: Told) {
        self.0.send_modify(|all| all.push(told));
    }
}

impl Observer for Listener {
    fn committed(&self, batches: usize, took: Duration) {
        assert!(took > Duration::ZERO);
        self.hear(Told::Committed(batches));
    }

    fn failed(&self) {
        self.hear(Told::Failed);
    }

    fn followed(&self, lag: Duration) {
        assert!(lag < Duration::from_secs(60), "{lag:?}");
        self.hear(Told::Followed);
    }
}

fn listener() -> (Box<Listener>, watch::Receiver<Vec<Told>>) {
    let (sender, told) = watch::channel(Vec::new());
    (Box::new(Listener(sender)), told)
}

pub async fn an_observer_hears_of_transactions_that_change_something(subject: impl Subject) {
    let store = subject.store();
    commit(store, vec![put("before", "1")]).await.unwrap();
    let (listener, told) = listener();
    store.observe(listener);
    commit(store, vec![put("a", "1")]).await.unwrap();
    commit(store, vec![put("a", "1")]).await.unwrap();
    store.commit(Batch::default()).await.unwrap();
    assert_eq!(*told.borrow(), [Told::Committed(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_hears_of_what_others_wrote_and_of_a_database_that_is_away() {
    let mut subject = Postgres::start().await;
    let (writer, replica) = (Arc::clone(subject.store()), subject.replica().await);
    let (listener, mut told) = listener();
    replica.observe(listener);
    commit(&writer, vec![put("a", "1")]).await.unwrap();
    let followed = |all: &Vec<Told>| all.contains(&Told::Followed);
    told.wait_for(followed).await.unwrap();
    assert_eq!(*told.borrow(), [Told::Followed]);

    subject.server.stop().await.unwrap();
    replica.commit(Batch::default()).await.unwrap_err();
    assert_eq!(told.borrow().last(), Some(&Told::Failed));
}
