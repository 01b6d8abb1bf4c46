//! What happens to a request that a route takes.

use std::sync::Arc;

use super::destination::Destination;

/// What happens to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes to a backend.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
}

impl Action {
    /// Every destination that requests may be sent or copied to.
    pub fn destinations(&self) -> impl Iterator<Item = &Arc<Destination>> {
        let forward = match self {
            Self::Forward(forward) => Some(forward),
            Self::Redirect(_) => None,
        };
        forward.into_iter().flat_map(|forward| {
            let backends = forward.backends.iter().map(|backend| &backend.destination);
            backends.chain(forward.mirrors.iter().map(|mirror| &mirror.destination))
        })
    }
}

/// Forwarding, and what is changed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// At least one; weights are relative to their sum, which is above 0.
    pub backends: Box<[Backend]>,
    /// Who gets copies, of how many requests.
    pub mirrors: Box<[Mirror]>,
    /// How the path changes.
    pub path: Option<PathRewrite>,
    /// How the host changes.
    pub host: Option<HostRewrite>,
    /// How the request's headers change.
    pub request_headers: HeaderEdits,
    /// How the response's headers change.
    pub response_headers: HeaderEdits,
}

/// One destination of a route and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Whose instances serve.
    pub destination: Arc<Destination>,
    /// Its share; 0 gets nothing.
    pub weight: u32,
}

/// Copies of requests, whose answers are thrown away.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Whose instances get the copies.
    pub destination: Arc<Destination>,
    /// How many of a hundred requests are copied; above 0, at most 100.
    pub percentage: f64,
}

// A percentage is never NaN: a filter without one is left out.
impl Eq for Mirror {}

/// A change of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path becomes this.
    Full(Box<str>),
    /// The prefix that matched becomes this; without trailing slash, empty for the root.
    Prefix(Box<str>),
}

/// A change of the `Host` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// It becomes this.
    Literal(Box<str>),
    /// It becomes the host name of the instance that was chosen.
    Backend,
}

/// Changes of headers; removing comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Name and value that replace what was there.
    pub set: Box<[(Box<str>, Box<str>)]>,
    /// Name and value that join what was there.
    pub add: Box<[(Box<str>, Box<str>)]>,
    /// Names that go.
    pub remove: Box<[Box<str>]>,
}

/// An answer that sends the client elsewhere; the query is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The new scheme, if it changes.
    pub scheme: Option<Box<str>>,
    /// The new host, if it changes.
    pub host: Option<Box<str>>,
    /// The new port; the listener's own if none is given.
    pub port: Option<u16>,
    /// The status code.
    pub status: RedirectStatus,
    /// The new path, if it changes.
    pub path: Option<PathRewrite>,
}

/// The codes that Envoy can redirect with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectStatus {
    /// 301
    MovedPermanently,
    /// 302
    Found,
    /// 303
    SeeOther,
    /// 307
    TemporaryRedirect,
    /// 308
    PermanentRedirect,
}

impl RedirectStatus {
    /// Its number.
    pub fn code(self) -> u16 {
        match self {
            Self::MovedPermanently => 301,
            Self::Found => 302,
            Self::SeeOther => 303,
            Self::TemporaryRedirect => 307,
            Self::PermanentRedirect => 308,
        }
    }

    /// By its number.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            301 => Self::MovedPermanently,
            302 => Self::Found,
            303 => Self::SeeOther,
            307 => Self::TemporaryRedirect,
            308 => Self::PermanentRedirect,
            _ => return None,
        })
    }
}
