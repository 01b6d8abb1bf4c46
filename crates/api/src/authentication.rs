//! Who sends a request: who shows a user token is that user; who asks from the machine itself is an
//! administrator, as in Kuma, unless the control plane is told otherwise; everybody else is anonymous.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use portolan_access::User;
use tracing::info;

use crate::{config::Api, problem::Problem, router::Shared};

/// What proxies add to requests that they pass on.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];
/// Where a browser says which page a request comes from.
const FETCH_SITE: &str = "sec-fetch-site";

/// Puts the [`User`] into the request's extensions, or ends it with 401.
pub(crate) async fn authenticate(
    State(api): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip().to_canonical());
    match user(&api, peer, request.uri(), request.headers()) {
        Ok(user) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn user(api: &Api, peer: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> Result<User, Problem> {
    if let Some(token) = bearer(headers) {
        return api.tokens.user(token).map_err(|error| {
            info!(reason = %error, "a user token was refused");
            let title = "Invalid authentication data";
            Problem::new(StatusCode::UNAUTHORIZED, title, error.to_string())
        });
    }
    let is_admin = api.localhost_is_admin && is_of_this_machine(peer, uri, headers);
    Ok(if is_admin {
        User::admin()
    } else {
        User::anonymous()
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a request comes from this machine itself: neither passed on by a proxy, nor sent by a browser for
/// a page of somebody else, which may even have a name for this machine.
fn is_of_this_machine(peer: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| text(header::HOST.as_str()));
    peer.is_some_and(|peer| peer.is_loopback())
        && !FORWARDED.iter().any(|name| headers.contains_key(*name))
        && host.is_some_and(is_loopback)
        && text(FETCH_SITE).is_none_or(|site| ["same-origin", "none"].contains(&site))
        && text(header::ORIGIN.as_str()).is_none_or(|origin| {
            let page = origin.split_once("://").map(|(_, authority)| authority);
            page.is_some_and(|page| host.is_some_and(|host| page.eq_ignore_ascii_case(host)))
        })
}

/// Whether an authority, `HOST` or `HOST:PORT`, is of this machine.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_direct_requests_are_of_this_machine() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);
        let cases: [Case<'_>; 17] = [
            ("127.0.0.1", &[("host", "localhost:5681")], true),
            ("127.0.0.1", &[("host", "127.0.0.1:5681")], true),
            ("127.0.0.1", &[("host", "LOCALHOST")], true),
            ("::1", &[("host", "[::1]:5681")], true),
            ("::ffff:127.0.0.1", &[("host", "127.0.0.1")], true),
            ("192.0.2.7", &[("host", "localhost:5681")], false),
            ("127.0.0.1", &[], false),
            ("127.0.0.1", &[("host", "rebound.example.com:5681")], false),
            ("127.0.0.1", &[("host", "192.0.2.7:5681")], false),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("x-forwarded-for", "192.0.2.7")],
                false,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("x-real-ip", "127.0.0.1")],
                false,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("forwarded", "for=192.0.2.7")],
                false,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("sec-fetch-site", "none")],
                true,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost:1"), ("origin", "http://localhost:1")],
                true,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost:1"), ("origin", "http://localhost:2")],
                false,
            ),
            (
                "127.0.0.1",
                &[("host", "localhost"), ("origin", "null")],
                false,
            ),
        ];
        for (peer, headers, expected) in cases {
            let mut request = http::Request::get("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            let peer = peer.parse::<IpAddr>().unwrap().to_canonical();
            let is = is_of_this_machine(Some(peer), request.uri(), request.headers());
            assert_eq!(is, expected, "{peer} {headers:?}");
            assert!(!is_of_this_machine(None, request.uri(), request.headers()));
        }
        // HTTP/2 has the authority in place of the header.
        let uri = "https://localhost:5682/".parse().unwrap();
        let peer = Some("127.0.0.1".parse().unwrap());
        assert!(is_of_this_machine(peer, &uri, &HeaderMap::new()));
    }
}
