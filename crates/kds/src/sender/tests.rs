use portolan_model::{ResourceKey, certificate::rsa_public_key_pem, kinds, labels};
use portolan_proto::{discovery::Status, mesh::KumaResource, system::Secret};
use portolan_store::{Store, Watermark};
use prost::Message;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::*;
use crate::{
    fixtures::{
        acknowledge, ask, delete, drain, forgetful, kuma, labels, mark, mesh, portolan, put,
        put_labelled, put_secret, route, snapshot, store, to_zone,
    },
    progress::Phase,
};

fn sender() -> Sender {
    Sender::new("global", Encoder::new(Side::Global))
}

/// A sender whose peer has asked for routes alone.
fn asked_for_routes(node: &portolan_proto::discovery::Node) -> Sender {
    let mut sender = sender();
    sender.hear(ask(kinds::MESH_GATEWAY_ROUTE, node));
    sender
}

fn only_routes(holds: Option<&Watermark>) -> portolan_proto::discovery::Node {
    portolan([kinds::MESH_GATEWAY_ROUTE].into_iter(), holds)
}

fn progress(response: &DeltaDiscoveryResponse) -> Progress {
    Progress::parse(&response.system_version_info).unwrap()
}

/// The names of what a response brings, without hash and mesh.
fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    let names = response.resources.iter().map(|resource| &*resource.name);
    names.map(unhashed).collect()
}

fn removed(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    let names = response.removed_resources.iter();
    names.map(|name| unhashed(name)).collect()
}

fn unhashed(wire: &str) -> &str {
    wire.rsplit_once('-').map_or(wire, |(name, _)| name)
}

async fn put_routes(store: &dyn Store, names: &[&str]) {
    for name in names {
        put(store, route(name), "1").await;
    }
}

#[tokio::test]
async fn a_kuma_peer_gets_the_first_listing_in_one_message() {
    let store = store();
    put_routes(&*store, &["a", "b", "c", "d", "e"]).await;
    let mut sender = asked_for_routes(&kuma()).with_pages_of(2);
    let responses = drain(&mut sender, &snapshot(&*store));
    assert_eq!(responses.len(), 1);
    assert_eq!(names(&responses[0]), ["a", "b", "c", "d", "e"]);
    assert_eq!(responses[0].system_version_info, "");
    assert_eq!(
        responses[0].control_plane.as_ref().unwrap().identifier,
        "global"
    );
}

#[tokio::test]
async fn a_peer_of_our_own_gets_pages_and_the_mark_with_the_last() {
    let store = store();
    put_routes(&*store, &["a", "b", "c", "d", "e"]).await;
    let mut sender = asked_for_routes(&only_routes(None)).with_pages_of(2);
    let snapshot = snapshot(&*store);
    let mut pages = Vec::new();
    while let Some(page) = sender.next(&snapshot).unwrap() {
        assert_eq!(sender.next(&snapshot).unwrap(), None, "one in flight");
        sender.hear(acknowledge(&page));
        pages.push(page);
    }
    let seen: Vec<_> = pages
        .iter()
        .map(|page| (names(page), progress(page).phase, mark(page)))
        .collect();
    let expected = [
        (vec!["a", "b"], Phase::ListFirst, None),
        (vec!["c", "d"], Phase::ListMore, None),
        (vec!["e"], Phase::ListLast, Some(5)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(sender.acknowledged(), 5);
}

#[tokio::test]
async fn what_is_removed_between_two_pages_is_told() {
    let store = store();
    put_routes(&*store, &["a", "b", "c", "old"]).await;
    delete(&*store, route("old")).await;
    let mut sender = asked_for_routes(&only_routes(None)).with_pages_of(2);
    let first = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    delete(&*store, route("a")).await;
    sender.hear(acknowledge(&first));
    let second = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&second), ["c"]);
    assert_eq!(removed(&second), ["a"]);
}

/// A peer of our own that has everything, and what it holds.
async fn caught_up(store: &dyn Store) -> (Sender, Watermark) {
    let mut sender = asked_for_routes(&only_routes(None));
    let snapshot = snapshot(store);
    let listing = sender.next(&snapshot).unwrap().unwrap();
    sender.hear(acknowledge(&listing));
    assert_eq!(sender.next(&snapshot).unwrap(), None);
    let progress = progress(&listing);
    let holds = Watermark {
        store_id: progress.store_id,
        revision: progress.mark.unwrap(),
    };
    (sender, holds)
}

#[tokio::test]
async fn a_peer_resumes_from_what_it_holds() {
    let store = store();
    put_routes(&*store, &["a", "b", "c"]).await;
    let (_, holds) = caught_up(&*store).await;
    put(&*store, route("b"), "2").await;
    delete(&*store, route("c")).await;
    let mut sender = asked_for_routes(&only_routes(Some(&holds)));
    let responses = drain(&mut sender, &snapshot(&*store));
    assert_eq!(responses.len(), 1);
    assert_eq!(progress(&responses[0]).phase, Phase::Delta);
    assert_eq!(names(&responses[0]), ["b"]);
    assert_eq!(removed(&responses[0]), ["c"]);
    assert_eq!(mark(&responses[0]), Some(5));
}

#[tokio::test]
async fn what_a_peer_holds_of_another_order_is_listed_again() {
    let store = store();
    put_routes(&*store, &["a", "b"]).await;
    let (_, holds) = caught_up(&*store).await;
    let other_store = Watermark {
        store_id: "other".to_owned(),
        ..holds.clone()
    };
    let not_yet_here = Watermark {
        revision: 99,
        ..holds.clone()
    };
    let more_kinds = portolan(
        [kinds::MESH_GATEWAY_ROUTE, kinds::MESH].into_iter(),
        Some(&holds),
    );
    let nodes = [
        only_routes(Some(&other_store)),
        only_routes(Some(&not_yet_here)),
        more_kinds,
    ];
    for node in nodes {
        let mut sender = asked_for_routes(&node);
        let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
        assert_eq!(progress(&listing).phase, Phase::List, "{node:?}");
        assert_eq!(names(&listing), ["a", "b"]);
    }
}

#[tokio::test]
async fn nothing_is_sent_while_nothing_changes() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let (mut sender, _) = caught_up(&*store).await;
    assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None);
    // A change of a kind that does not travel.
    put(&*store, ResourceKey::global(kinds::ZONE, "zone-1"), "1").await;
    assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None);
    assert_eq!(sender.acknowledged(), 1);
}

#[tokio::test]
async fn one_response_of_a_kind_is_in_flight_and_intermediate_versions_are_skipped() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let mut sender = asked_for_routes(&kuma());
    let first = sender.next(&snapshot(&*store)).unwrap().unwrap();
    for value in ["2", "3", "4"] {
        put(&*store, route("a"), value).await;
        put(&*store, route("short-lived"), value).await;
        delete(&*store, route("short-lived")).await;
        assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None);
    }
    let stale = DeltaDiscoveryRequest {
        response_nonce: "0".to_owned(),
        ..acknowledge(&first)
    };
    assert_eq!(sender.hear(stale), Heard::Nothing);
    assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None);

    assert_eq!(sender.hear(acknowledge(&first)), Heard::Acknowledged);
    let second = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&second), ["a"]);
    assert_eq!(removed(&second), ["short-lived"]);
    assert_eq!((&*first.nonce, &*second.nonce), ("1", "2"));
}

#[tokio::test]
async fn one_kind_in_flight_does_not_hold_another_up() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let mut sender = sender();
    for kind in to_zone() {
        sender.hear(ask(kind, &kuma()));
    }
    let listings = drain(&mut sender, &snapshot(&*store));
    assert_eq!(listings.len(), to_zone().count());
    let of_meshes = |response: &&DeltaDiscoveryResponse| response.type_url == "Mesh";
    sender.hear(acknowledge(listings.iter().find(of_meshes).unwrap()));
    put(&*store, mesh("new"), "1").await;
    put(&*store, route("b"), "1").await;
    let responses = drain(&mut sender, &snapshot(&*store));
    let kinds: Vec<_> = responses.iter().map(|one| &*one.type_url).collect();
    assert_eq!(kinds, ["Mesh"]);
}

#[tokio::test]
async fn an_unknown_kind_is_answered_empty_once() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    for kind in ["MeshTimeout", "Zone", "Dataplane"] {
        for node in [kuma(), portolan(to_zone(), None)] {
            let mut sender = sender();
            let mut request = ask(kinds::MESH, &node);
            request.type_url = kind.to_owned();
            sender.hear(request);
            let answer = sender.next(&snapshot(&*store)).unwrap().unwrap();
            assert_eq!(answer.type_url, kind);
            assert_eq!((names(&answer), removed(&answer)), (vec![], vec![]));
            sender.hear(acknowledge(&answer));
            put(&*store, route("a"), "2").await;
            assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_heard_and_does_not_stop_the_kind() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let mut sender = asked_for_routes(&kuma());
    let first = sender.next(&snapshot(&*store)).unwrap().unwrap();
    let refusal = DeltaDiscoveryRequest {
        error_detail: Some(Status {
            code: 3,
            message: "no such field".to_owned(),
        }),
        resource_names_subscribe: vec!["*".to_owned()],
        ..acknowledge(&first)
    };
    assert_eq!(
        sender.hear(refusal),
        Heard::Refused("no such field".to_owned())
    );
    assert_eq!(sender.next(&snapshot(&*store)).unwrap(), None, "not again");
    put(&*store, route("b"), "1").await;
    let second = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&second), ["b"]);
}

#[tokio::test]
async fn a_mark_waits_for_every_kind_that_the_peer_will_ask_for() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let node = portolan(to_zone(), None);
    let mut sender = sender();
    let mut marks = Vec::new();
    for kind in to_zone() {
        sender.hear(ask(kind, &node));
        for response in drain(&mut sender, &snapshot(&*store)) {
            assert_eq!(sender.acknowledged(), 0);
            sender.hear(acknowledge(&response));
            marks.push(mark(&response));
        }
        drain(&mut sender, &snapshot(&*store));
    }
    let last = marks.pop();
    assert_eq!(last, Some(Some(1)));
    assert!(marks.iter().all(Option::is_none), "{marks:?}");
    assert_eq!(sender.acknowledged(), 1);
}

#[tokio::test]
async fn acknowledged_moves_when_everything_in_flight_is_answered() {
    let store = store();
    put_routes(&*store, &["a"]).await;
    let (mut sender, _) = caught_up(&*store).await;
    assert_eq!(sender.acknowledged(), 1);
    put(&*store, route("a"), "2").await;
    let response = sender.next(&snapshot(&*store)).unwrap().unwrap();
    sender.next(&snapshot(&*store)).unwrap();
    assert_eq!(sender.acknowledged(), 1, "still in flight");
    sender.hear(acknowledge(&response));
    sender.next(&snapshot(&*store)).unwrap();
    assert_eq!(sender.acknowledged(), 2);
}

/// Deletes so many that the store forgets all but the last few.
async fn forget_deletions(store: &dyn Store) {
    for number in 0..8 {
        let key = mesh(&format!("short-lived-{number}"));
        put(store, key.clone(), "1").await;
        delete(store, key).await;
    }
}

#[tokio::test]
async fn a_peer_behind_the_horizon_is_listed_again() {
    let store = forgetful(4);
    put_routes(&*store, &["a", "b"]).await;
    let (_, holds) = caught_up(&*store).await;
    let mut slow = asked_for_routes(&only_routes(None));
    let listing = slow.next(&snapshot(&*store)).unwrap().unwrap();
    delete(&*store, route("a")).await;
    forget_deletions(&*store).await;
    // The deletion of a is forgotten: only that b is all there is can tell it.
    slow.hear(acknowledge(&listing));
    let mut back = asked_for_routes(&only_routes(Some(&holds)));
    for sender in [&mut slow, &mut back] {
        let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
        assert_eq!(progress(&listing).phase, Phase::List);
        assert_eq!(names(&listing), ["b"]);
    }
}

#[tokio::test]
async fn a_kuma_peer_behind_the_horizon_must_open_another_stream() {
    let store = forgetful(4);
    put_routes(&*store, &["a", "b"]).await;
    let mut sender = asked_for_routes(&kuma());
    let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
    delete(&*store, route("a")).await;
    forget_deletions(&*store).await;
    sender.hear(acknowledge(&listing));
    assert_eq!(sender.next(&snapshot(&*store)), Err(Overtaken));
}

#[tokio::test]
async fn a_peer_that_keeps_up_is_never_behind_the_horizon() {
    let store = forgetful(4);
    put_routes(&*store, &["a", "b"]).await;
    let mut sender = asked_for_routes(&kuma());
    let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
    sender.hear(acknowledge(&listing));
    for number in 0..20 {
        let key = mesh(&format!("short-lived-{number}"));
        put(&*store, key.clone(), "1").await;
        delete(&*store, key).await;
        assert_eq!(sender.next(&snapshot(&*store)), Ok(None));
    }
    put(&*store, route("c"), "1").await;
    let response = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&response), ["c"]);
}

#[tokio::test]
async fn what_came_from_elsewhere_is_not_sent_back() {
    let store = store();
    let gateway = ResourceKey::in_mesh(kinds::MESH_GATEWAY, "default", "edge");
    let from_zone = labels([(labels::ORIGIN, labels::ORIGIN_ZONE)]);
    put_labelled(&*store, gateway, from_zone).await;
    let mut sender = sender();
    sender.hear(ask(kinds::MESH_GATEWAY, &kuma()));
    let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(names(&listing), Vec::<&str>::new());
}

#[tokio::test]
async fn a_zone_without_hashes_gets_plain_names() {
    let store = store();
    put_routes(&*store, &["a", "b"]).await;
    let mut sender = asked_for_routes(&Default::default());
    let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(listing.resources[0].name, "a.default");
    sender.hear(acknowledge(&listing));
    delete(&*store, route("b")).await;
    let response = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(response.removed_resources, ["b.default"]);
}

#[tokio::test]
async fn a_removal_is_named_like_the_resource_whatever_its_labels_were() {
    let store = store();
    let labelled = labels([(labels::ZONE, "zone-1"), ("k8s.kuma.io/namespace", "shop")]);
    put_labelled(&*store, route("a"), labelled).await;
    let mut sender = asked_for_routes(&kuma());
    let listing = sender.next(&snapshot(&*store)).unwrap().unwrap();
    sender.hear(acknowledge(&listing));
    delete(&*store, route("a")).await;
    let response = sender.next(&snapshot(&*store)).unwrap().unwrap();
    assert_eq!(response.removed_resources, [&*listing.resources[0].name]);
}

/// Zones verify the tokens of their ingresses, and sign none.
#[tokio::test]
async fn of_a_key_that_signs_zone_tokens_the_public_half_travels() {
    let store = store();
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let private = pair.serialize_pem();
    let key = ResourceKey::global(kinds::GLOBAL_SECRET, "zone-token-signing-key-1");
    put_secret(&*store, key.clone(), &private).await;
    let mut sender = sender();
    sender.hear(ask(kinds::GLOBAL_SECRET, &kuma()));
    let mut sent = || {
        let mut responses = drain(&mut sender, &snapshot(&*store));
        let response = responses.pop().unwrap();
        assert!(responses.is_empty());
        sender.hear(acknowledge(&response));
        response
    };
    fn given(response: &DeltaDiscoveryResponse) -> Vec<&str> {
        let given = response.resources.iter();
        given.map(|resource| &*resource.name).collect()
    }
    let public_name = "zone-token-signing-public-key-1.";
    let response = sent();
    assert_eq!(given(&response), [public_name]);
    let body = &response.resources[0].resource.as_ref().unwrap().value;
    let body = KumaResource::decode(body.clone()).unwrap();
    let meta = body.meta.unwrap();
    assert_eq!(meta.name, "zone-token-signing-public-key-1");
    assert!(!meta.labels.contains_key("kuma.io/display-name"));
    let secret = Secret::decode(body.spec.unwrap().value).unwrap();
    let content = secret.data.unwrap().value;
    assert_eq!(
        Some(content.to_vec()),
        rsa_public_key_pem(private.as_bytes()).map(String::into_bytes)
    );

    // What is no key takes back what was given.
    put_secret(&*store, key.clone(), "hunter2").await;
    let response = sent();
    assert_eq!(
        (given(&response).len(), response.removed_resources.clone()),
        (0, vec![public_name.to_owned()])
    );
    put_secret(&*store, key.clone(), &private).await;
    assert_eq!(given(&sent()), [public_name]);
    delete(&*store, key).await;
    assert_eq!(sent().removed_resources, [public_name]);
}
