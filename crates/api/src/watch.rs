//! Streams of lines that tell what changes, the newest state only: a slow reader skips, and nothing is
//! queued for it beyond the resources themselves.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use portolan_access::User;
use portolan_model::{Kind, Resource, ResourceKey, Revision};
use portolan_store::{Change, Snapshot};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::read::{filter::Filter, shown};

/// Changes that go out in one piece.
const LINES_AT_ONCE: usize = 64;

/// A value as one line, at once and whenever it changes.
pub(crate) fn value<T: Serialize + Send + Sync + 'static>(source: Receiver<Arc<T>>) -> Body {
    let first = true;
    Body::from_stream(stream::unfold(
        (source, first),
        async |(mut source, first)| {
            if !first {
                source.changed().await.ok()?;
            }
            let newest = Arc::clone(&source.borrow_and_update());
            Some((Ok::<_, Infallible>(line(&*newest)), (source, false)))
        },
    ))
}

/// The resources of a collection as `PUT` lines, and from then on its changes, as a user may see them. An empty
/// `mesh` means all.
pub(crate) fn collection(
    index: Receiver<Arc<Snapshot>>,
    kind: Kind,
    mesh: String,
    filter: Filter,
    user: User,
) -> Body {
    let watch = Collection {
        index,
        kind,
        mesh,
        filter,
        user,
        seen: None,
        shown: BTreeSet::new(),
        waiting: VecDeque::new(),
    };
    Body::from_stream(stream::unfold(watch, async |mut watch| {
        let lines = watch.next().await?;
        Some((Ok::<_, Infallible>(lines), watch))
    }))
}

struct Collection {
    index: Receiver<Arc<Snapshot>>,
    kind: Kind,
    mesh: String,
    filter: Filter,
    user: User,
    /// Up to where changes have been looked at.
    seen: Option<Revision>,
    /// What the reader has been told of and not yet been told the end of.
    shown: BTreeSet<ResourceKey>,
    waiting: VecDeque<Change>,
}

impl Collection {
    /// The next lines; never empty. `None` when the store is gone.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let count = self.waiting.len().min(LINES_AT_ONCE);
            let changes: Vec<Change> = self.waiting.drain(..count).collect();
            let lines: Vec<Bytes> = changes
                .into_iter()
                .filter_map(|change| self.tell(change))
                .collect();
            if !lines.is_empty() {
                return Some(lines.concat().into());
            }
            if self.waiting.is_empty() {
                self.look().await?;
            }
        }
    }

    /// Queues what changed since the last look; waits for something newer unless this is the first.
    async fn look(&mut self) -> Option<()> {
        if self.seen.is_some() {
            self.index.changed().await.ok()?;
        }
        let snapshot = Arc::clone(&self.index.borrow_and_update());
        match self.seen {
            Some(seen) if seen >= snapshot.horizon() => {
                self.waiting.extend(snapshot.changes_after(self.kind, seen));
            }
            _ => self.list(&snapshot),
        }
        self.seen = Some(snapshot.revision());
        Some(())
    }

    /// Queues everything, and before it the end of what the reader has seen and is no more.
    fn list(&mut self, snapshot: &Snapshot) {
        let gone = self.shown.iter().filter(|key| snapshot.get(key).is_none());
        let gone = gone.map(|key| Change::Deleted(key.clone(), snapshot.revision()));
        self.waiting.extend(gone);
        let mesh = (!self.mesh.is_empty()).then_some(self.mesh.as_str());
        self.waiting
            .extend(snapshot.list(self.kind, mesh).cloned().map(Change::Put));
    }

    /// The line of a change, if the reader sees it.
    fn tell(&mut self, change: Change) -> Option<Bytes> {
        let revision = change.revision();
        match change {
            Change::Put(resource) if self.takes(&resource) => {
                self.shown.insert(resource.key.clone());
                put(&resource, &self.user)
            }
            // What the filter no longer takes is gone for this reader.
            Change::Put(resource) => self.end(&resource.key, revision),
            Change::Deleted(key, _) => self.end(&key, revision),
        }
    }

    fn takes(&self, resource: &Resource) -> bool {
        (self.mesh.is_empty() || *resource.key.mesh == *self.mesh) && self.filter.takes(resource)
    }

    fn end(&mut self, key: &ResourceKey, revision: Revision) -> Option<Bytes> {
        self.shown.remove(key).then(|| {
            let mut resource = json!({ "type": key.kind.name(), "name": &*key.name });
            if !key.mesh.is_empty() {
                resource["mesh"] = (*key.mesh).into();
            }
            operation("DELETE", revision, resource)
        })
    }
}

/// A resource that this version cannot decode is left out; reading it alone tells why.
fn put(resource: &Resource, user: &User) -> Option<Bytes> {
    let shown = shown(resource, user).ok()?;
    Some(operation("PUT", resource.revision, shown))
}

fn operation(operation: &'static str, revision: Revision, resource: Value) -> Bytes {
    #[derive(Serialize)]
    struct Line {
        operation: &'static str,
        revision: Revision,
        resource: Value,
    }
    line(&Line {
        operation,
        revision,
        resource,
    })
}

fn line(value: &impl Serialize) -> Bytes {
    // Only maps with keys that are no text can fail, and no line holds one.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
