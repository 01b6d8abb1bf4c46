//! What the tests of both halves share: a store, resources in it, and peers as they introduce themselves.

use std::sync::Arc;

use portolan_model::{Kind, Labels, ResourceKey, Revision, kinds};
use portolan_proto::{
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node},
    system::Secret,
    well_known::BytesValue,
};
use portolan_store::{Expect, Snapshot, Store, Watermark, Write, memory};
use prost::Message;
use tokio_util::sync::CancellationToken;

use crate::{peer, progress::Progress, receiver::Receiver, sender::Sender};

/// An empty store that remembers only so many deletions.
pub(crate) fn forgetful(deletions: usize) -> Arc<dyn Store> {
    memory::forgetful(deletions, CancellationToken::new())
}

/// An empty store.
pub(crate) fn store() -> Arc<dyn Store> {
    memory::new(CancellationToken::new())
}

pub(crate) fn route(name: &str) -> ResourceKey {
    ResourceKey::in_mesh(kinds::MESH_GATEWAY_ROUTE, "default", name)
}

pub(crate) fn mesh(name: &str) -> ResourceKey {
    ResourceKey::global(kinds::MESH, name)
}

pub(crate) fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Writes an empty spec with these labels.
pub(crate) async fn put_labelled(store: &dyn Store, key: ResourceKey, labels: Labels) {
    let put = Write::Put {
        key,
        labels,
        spec: Default::default(),
        expect: Expect::Any,
        created: None,
    };
    write(store, put).await;
}

/// Writes a Secret or GlobalSecret.
pub(crate) async fn put_secret(store: &dyn Store, key: ResourceKey, content: &str) {
    let value = content.as_bytes().to_vec().into();
    let data = Some(BytesValue { value });
    let put = Write::Put {
        key,
        labels: Labels::new(),
        spec: Secret { data }.encode_to_vec().into(),
        expect: Expect::Any,
        created: None,
    };
    write(store, put).await;
}

/// Writes a resource whose content is told apart by `value`.
pub(crate) async fn put(store: &dyn Store, key: ResourceKey, value: &str) {
    put_labelled(store, key, labels([("value", value)])).await;
}

pub(crate) async fn delete(store: &dyn Store, key: ResourceKey) {
    let expect = Expect::Any;
    write(store, Write::Delete { key, expect }).await;
}

pub(crate) async fn write(store: &dyn Store, write: Write) {
    store.commit(write.into()).await.unwrap();
}

pub(crate) fn snapshot(store: &dyn Store) -> Arc<Snapshot> {
    store.index().snapshot()
}

/// All kinds that a zone asks for.
pub(crate) fn to_zone() -> impl Iterator<Item = Kind> {
    Kind::all().filter(|kind| kind.direction.to_zone())
}

/// How a zone of our own introduces itself.
pub(crate) fn portolan(kinds: impl Iterator<Item = Kind>, holds: Option<&Watermark>) -> Node {
    peer::node("zone-1", "instance-1", kinds, holds)
}

/// How a zone of Kuma introduces itself: without anything of ours.
pub(crate) fn kuma() -> Node {
    let mut node = portolan(to_zone(), None);
    let metadata = node.metadata.as_mut().unwrap();
    metadata
        .fields
        .retain(|name, _| !name.starts_with("portolan"));
    let features = peer::strings(&["zone-token", "hash-suffix"]);
    metadata.fields.insert("features".to_owned(), features);
    node
}

/// The request for a kind.
pub(crate) fn ask(kind: Kind, node: &Node) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(node.clone()),
        ..Receiver::subscribe(kind)
    }
}

/// The acknowledgement of a response.
pub(crate) fn acknowledge(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// Everything that may go out now.
pub(crate) fn drain(sender: &mut Sender, snapshot: &Snapshot) -> Vec<DeltaDiscoveryResponse> {
    std::iter::from_fn(|| sender.next(snapshot).unwrap()).collect()
}

pub(crate) fn mark(response: &DeltaDiscoveryResponse) -> Option<Revision> {
    Progress::parse(&response.system_version_info)?.mark
}
