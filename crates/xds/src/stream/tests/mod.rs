#![allow(clippy::unwrap_used, clippy::expect_used)]

mod envoy;
mod incremental;
mod limits;
mod model;
mod order;
mod refusals;
mod whole;

use bytes::Bytes;

use super::*;
use crate::{
    resource::Resource,
    type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES},
};

/// Name and version of each resource.
type Entries<'a> = [(&'a str, &'a str)];

fn resources(entries: &Entries<'_>) -> Arc<Resources> {
    let resource = |version: &str| Resource {
        version: version.into(),
        body: Bytes::copy_from_slice(version.as_bytes()),
    };
    Arc::new(
        entries
            .iter()
            .map(|(name, version)| ((*name).into(), resource(version)))
            .collect(),
    )
}

/// Clusters have endpoints of the same name, always in version 1.
fn snapshot(
    watermark: u64,
    clusters: &Entries<'_>,
    listeners: &Entries<'_>,
    routes: &Entries<'_>,
) -> Arc<Snapshot> {
    let endpoints: Vec<_> = clusters.iter().map(|(name, _)| (*name, "1")).collect();
    let types = [
        (CLUSTER, resources(clusters)),
        (ENDPOINTS, resources(&endpoints)),
        (LISTENER, resources(listeners)),
        (ROUTES, resources(routes)),
    ];
    Arc::new(Snapshot {
        watermark,
        types: types.into(),
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// An incremental request for more and fewer names.
fn change(type_url: &str, subscribe: &[&str], unsubscribe: &[&str]) -> Request {
    Request {
        type_url: type_url.to_owned(),
        names: Names::Change {
            subscribe: owned(subscribe),
            unsubscribe: owned(unsubscribe),
        },
        ..Request::default()
    }
}

fn subscribe(type_url: &str, names: &[&str]) -> Request {
    change(type_url, names, &[])
}

fn acknowledge(response: &Response) -> Request {
    Request {
        nonce: response.nonce.clone(),
        ..subscribe(&response.type_url, &[])
    }
}

fn refuse(response: &Response, reason: &str) -> Request {
    Request {
        error: Some(reason.to_owned()),
        ..acknowledge(response)
    }
}

/// A state-of-the-world request for these names.
fn exactly(type_url: &str, names: &[&str], nonce: &str) -> Request {
    Request {
        type_url: type_url.to_owned(),
        names: Names::Exactly(owned(names)),
        nonce: nonce.to_owned(),
        ..Request::default()
    }
}

/// `name@version` of what a response brings.
fn brought(response: &Response) -> Vec<String> {
    let all = response.resources.iter();
    all.map(|(name, resource)| format!("{name}@{}", resource.version))
        .collect()
}

/// Takes the next response, which must be of that type, bring this and remove that.
fn take(stream: &mut Stream, type_url: &str, brings: &[&str], removes: &[&str]) -> Response {
    let response = stream.next_response().expect(type_url);
    let removed: Vec<_> = response.removed.iter().map(|name| &**name).collect();
    assert_eq!(
        (response.type_url.as_str(), brought(&response), removed),
        (type_url, owned(brings), removes.to_vec())
    );
    response
}

/// Takes the next response as [`take`] does, and acknowledges it.
fn expect(stream: &mut Stream, type_url: &str, brings: &[&str], removes: &[&str]) {
    let response = take(stream, type_url, brings, removes);
    assert_eq!(
        stream.on_request(acknowledge(&response)),
        Ok(Heard::Acknowledged)
    );
}

fn nothing(stream: &mut Stream) {
    assert_eq!(stream.next_response(), None);
}

/// An incremental proxy that serves cluster `a`, listener `l` and its routes `r`, all in version 1.
fn serving() -> Stream {
    let mut stream = Stream::new(Mode::Delta);
    stream.on_snapshot(snapshot(1, &[("a", "1")], &[("l", "1")], &[("r", "1")]));
    stream.on_request(subscribe(CLUSTER, &[])).unwrap();
    expect(&mut stream, CLUSTER, &["a@1"], &[]);
    stream.on_request(subscribe(ENDPOINTS, &["a"])).unwrap();
    expect(&mut stream, ENDPOINTS, &["a@1"], &[]);
    assert_eq!(
        stream.newly_serving(),
        None,
        "listeners were not asked for yet"
    );
    stream.on_request(subscribe(LISTENER, &[])).unwrap();
    let listener = take(&mut stream, LISTENER, &["l@1"], &[]);
    stream.on_request(subscribe(ROUTES, &["r"])).unwrap();
    stream.on_request(acknowledge(&listener)).unwrap();
    let routes = take(&mut stream, ROUTES, &["r@1"], &[]);
    assert_eq!(
        stream.newly_serving(),
        None,
        "the routes are not yet acknowledged"
    );
    stream.on_request(acknowledge(&routes)).unwrap();
    assert_eq!(stream.newly_serving(), Some(1));
    assert_eq!(stream.newly_serving(), None, "once is enough");
    stream
}
