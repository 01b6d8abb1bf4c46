//! What every store must do.

use jiff::Timestamp;
use portolan_model::{ResourceKey, kinds};
use portolan_store::{Batch, Change, Expect, Outcome, Requirement, StoreError, Watermark, Write};

pub use crate::observers::an_observer_hears_of_transactions_that_change_something;
use crate::support::{KIND, Subject, commit, content, delete, key, labels, put, put_if};

fn entry(name: &str, value: &str, version: u64) -> (String, String, u64) {
    (name.to_owned(), value.to_owned(), version)
}

pub async fn a_write_is_in_the_index_when_it_is_answered(subject: impl Subject) {
    let store = subject.store();
    let created = commit(store, vec![put("a", "1")]).await.unwrap();
    assert_eq!(
        (created.revision, created.outcomes),
        (1, vec![Outcome::Created])
    );
    assert_eq!(content(store), [entry("a", "1", 1)]);
    let updated = commit(store, vec![put("a", "2")]).await.unwrap();
    assert_eq!(
        (updated.revision, updated.outcomes),
        (2, vec![Outcome::Updated])
    );
    assert_eq!(content(store), [entry("a", "2", 2)]);
    let deleted = commit(store, vec![delete("a")]).await.unwrap();
    assert_eq!(
        (deleted.revision, deleted.outcomes),
        (3, vec![Outcome::Deleted])
    );
    assert!(content(store).is_empty());
}

pub async fn an_equal_write_changes_nothing(subject: impl Subject) {
    let store = subject.store();
    commit(store, vec![put("a", "1")]).await.unwrap();
    let again = commit(store, vec![put("a", "1"), delete("none")])
        .await
        .unwrap();
    assert_eq!(again.revision, 1);
    assert_eq!(again.outcomes, [Outcome::Unchanged, Outcome::Unchanged]);
}

pub async fn expectations_are_kept(subject: impl Subject) {
    let store = subject.store();
    commit(store, vec![put("a", "1")]).await.unwrap();
    let cases = [
        (put_if("a", "2", Expect::Absent), Some(1)),
        (put_if("a", "2", Expect::Version(7)), Some(1)),
        (put_if("b", "2", Expect::Present), None),
        (
            Write::Delete {
                key: key("b"),
                expect: Expect::Version(1),
            },
            None,
        ),
    ];
    for (write, expected) in cases {
        let error = commit(store, vec![write]).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Conflict { found, .. } if found == expected),
            "{error}"
        );
    }
    commit(store, vec![put_if("a", "2", Expect::Version(1))])
        .await
        .unwrap();
    assert_eq!(content(store), [entry("a", "2", 2)]);
}

pub async fn a_batch_is_all_or_nothing(subject: impl Subject) {
    let store = subject.store();
    let writes = vec![put("a", "1"), put_if("b", "1", Expect::Present)];
    commit(store, writes).await.unwrap_err();
    assert!(content(store).is_empty());
    assert_eq!(store.index().snapshot().revision(), 0);
}

pub async fn requirements_hold(subject: impl Subject) {
    let store = subject.store();
    let mesh = ResourceKey::global(kinds::MESH, "default");
    let with = |requirement, writes| Batch {
        requires: vec![requirement],
        writes,
        watermark: None,
    };
    let exists = Requirement::Exists(mesh.clone());
    let error = store
        .commit(with(exists.clone(), vec![put("a", "1")]))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");

    let write = Write::Put {
        key: mesh,
        labels: labels("m"),
        spec: Default::default(),
        expect: Expect::Any,
        created: None,
    };
    commit(store, vec![write]).await.unwrap();
    store
        .commit(with(exists, vec![put("a", "1")]))
        .await
        .unwrap();
    let none = Requirement::NoneInMesh {
        kind: KIND,
        mesh: "default".to_owned(),
    };
    let error = store.commit(with(none.clone(), vec![])).await.unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
    commit(store, vec![delete("a")]).await.unwrap();
    store.commit(with(none, vec![])).await.unwrap();
}

pub async fn what_another_store_created_keeps_its_age(subject: impl Subject) {
    let store = subject.store();
    let at = |second| {
        let Write::Put {
            key,
            labels,
            spec,
            expect,
            ..
        } = put("a", "1")
        else {
            unreachable!()
        };
        let created = Some(Timestamp::from_second(second).unwrap());
        Write::Put {
            key,
            labels,
            spec,
            created,
            expect,
        }
    };
    let created = || store.index().snapshot().get(&key("a")).unwrap().created;
    assert_eq!(
        commit(store, vec![at(7)]).await.unwrap().outcomes,
        [Outcome::Created]
    );
    assert_eq!(
        commit(store, vec![at(7)]).await.unwrap().outcomes,
        [Outcome::Unchanged]
    );
    commit(store, vec![put("a", "2")]).await.unwrap();
    assert_eq!(
        created(),
        Timestamp::from_second(7).unwrap(),
        "its own writes do not make it younger"
    );
    commit(store, vec![at(9)]).await.unwrap();
    assert_eq!(created(), Timestamp::from_second(9).unwrap());
}

pub async fn a_mesh_goes_with_everything_in_it(subject: impl Subject) {
    let store = subject.store();
    let elsewhere = Write::Put {
        key: ResourceKey::in_mesh(KIND, "default2", "a"),
        labels: labels("1"),
        spec: Default::default(),
        expect: Expect::Any,
        created: None,
    };
    commit(store, vec![put("a", "1"), put("b", "1"), elsewhere])
        .await
        .unwrap();
    let gone = Write::DeleteMesh {
        mesh: "default".to_owned(),
    };
    assert_eq!(
        commit(store, vec![gone]).await.unwrap().outcomes,
        [Outcome::Deleted]
    );
    let snapshot = store.index().snapshot();
    assert_eq!(snapshot.count(KIND, Some("default")), 0);
    assert_eq!(snapshot.count(KIND, None), 1);
}

pub async fn concurrent_writers_get_gapless_revisions(subject: impl Subject) {
    let store = subject.store();
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut revisions = Vec::new();
            for number in 0..25 {
                let name = format!("w{writer}-{number}");
                revisions.push(
                    commit(&store, vec![put(&name, "1")])
                        .await
                        .unwrap()
                        .revision,
                );
            }
            revisions
        })
    });
    let mut all = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        all.extend(writer.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=200).collect::<Vec<_>>());
}

pub async fn the_feed_gives_every_key_its_last_change_in_order(subject: impl Subject) {
    let store = subject.store();
    for (name, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")] {
        commit(store, vec![put(name, value)]).await.unwrap();
    }
    commit(store, vec![delete("b")]).await.unwrap();
    let snapshot = store.index().snapshot();
    let after = |revision| {
        let changes = snapshot.changes_after(KIND, revision);
        changes
            .map(|change| {
                let deleted = matches!(change, Change::Deleted(..));
                (change.revision(), change.key().name.to_string(), deleted)
            })
            .collect::<Vec<_>>()
    };
    let (a, b, c) = ("a".to_owned(), "b".to_owned(), "c".to_owned());
    assert_eq!(
        after(0),
        [(3, a, false), (4, c.clone(), false), (5, b.clone(), true)]
    );
    assert_eq!(after(3), [(4, c, false), (5, b, true)]);
    assert_eq!(after(5), []);
}

pub async fn a_watermark_goes_with_its_batch(subject: impl Subject) {
    let store = subject.store();
    let mark = |revision| {
        Some(Watermark {
            store_id: "global".to_owned(),
            revision,
        })
    };
    let batch = Batch {
        writes: vec![put("a", "1")],
        watermark: mark(7),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    assert_eq!(store.index().snapshot().watermark().cloned(), mark(7));
    let mut seen = store.index().subscribe();
    seen.mark_unchanged();
    store
        .commit(Batch {
            watermark: mark(9),
            ..Batch::default()
        })
        .await
        .unwrap();
    assert!(seen.has_changed().unwrap());
    assert_eq!(store.index().snapshot().watermark().cloned(), mark(9));
    assert_eq!(store.index().snapshot().revision(), 1);
    if let Some(again) = subject.reopen().await {
        assert_eq!(
            again.store().index().snapshot().watermark().cloned(),
            mark(9)
        );
    }
}

pub async fn everything_is_there_after_a_restart(subject: impl Subject) {
    let store = subject.store();
    let many: Vec<_> = (0..2500)
        .map(|number| put(&format!("r{number:04}"), "1"))
        .collect();
    commit(store, many).await.unwrap();
    commit(store, vec![delete("r0000"), put("r0001", "2")])
        .await
        .unwrap();
    let before = (content(store), store.index().snapshot());
    let Some(again) = subject.reopen().await else {
        return;
    };
    let after = again.store().index().snapshot();
    assert_eq!(content(again.store()), before.0);
    assert_eq!(after.revision(), before.1.revision());
    assert_eq!(after.store_id(), before.1.store_id());
    let last = after
        .changes_after(KIND, 2500)
        .map(|change| change.key().name.to_string());
    assert_eq!(last.collect::<Vec<_>>(), ["r0000", "r0001"]);
}
