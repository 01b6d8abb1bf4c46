//! Who may see secrets: administrators. Pure, but for taking the caller from the request.
//!
//! There are no users yet: an administrator is who asks from the machine itself, as in Kuma, unless the
//! control plane is told otherwise.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use portolan_model::Kind;

use crate::problem::Problem;

/// What proxies add to requests that they pass on.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Where the request comes from, if that is known.
    peer: Option<IpAddr>,
    /// Whether it was passed on by a proxy: then it comes from somewhere else.
    forwarded: bool,
}

impl Caller {
    /// The caller of a request.
    pub(crate) fn of(parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            peer: peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
            forwarded: FORWARDED
                .iter()
                .any(|name| parts.headers.contains_key(*name)),
        }
    }

    /// Whether the caller is an administrator.
    pub(crate) fn is_admin(self, localhost_is_admin: bool) -> bool {
        localhost_is_admin && !self.forwarded && self.peer.is_some_and(|peer| peer.is_loopback())
    }
}

/// 403 when the kind is for administrators and the caller is none.
pub(crate) fn check(kind: Kind, is_admin: bool) -> Result<(), Problem> {
    if is_admin || !kind.is_secret() {
        return Ok(());
    }
    let detail = format!(
        "only administrators may read and write resources of type {kind}: ask from the machine of the \
         control plane itself"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "Access Denied", detail))
}

/// An answer about resources of a kind; that of secrets is kept by nobody on the way.
pub(crate) fn seal<T: IntoResponse>(kind: Kind, answer: T) -> Response {
    let mut response = answer.into_response();
    if kind.is_secret() {
        let value = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portolan_model::kinds::{GLOBAL_SECRET, MESH, SECRET};

    use super::*;

    fn caller(peer: &str, forwarded: bool) -> Caller {
        let mut request = http::Request::get("/");
        if forwarded {
            request = request.header("X-Forwarded-For", "192.0.2.7");
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        if let Ok(address) = peer.parse::<SocketAddr>() {
            parts.extensions.insert(ConnectInfo(address));
        }
        Caller::of(&parts)
    }

    #[test]
    fn only_the_machine_itself_is_an_administrator() {
        for (peer, forwarded, admin) in [
            ("127.0.0.1:7", false, true),
            ("[::1]:7", false, true),
            ("[::ffff:127.0.0.1]:7", false, true),
            ("127.0.0.1:7", true, false),
            ("192.0.2.7:7", false, false),
            ("unknown", false, false),
        ] {
            let caller = caller(peer, forwarded);
            assert_eq!(caller.is_admin(true), admin, "{peer}");
            assert!(!caller.is_admin(false), "{peer}");
        }
    }

    #[test]
    fn only_secrets_are_for_administrators() {
        for kind in [SECRET, GLOBAL_SECRET] {
            assert!(check(kind, true).is_ok());
            assert_eq!(
                check(kind, false).unwrap_err().status,
                StatusCode::FORBIDDEN
            );
        }
        assert!(check(MESH, false).is_ok());
    }
}
