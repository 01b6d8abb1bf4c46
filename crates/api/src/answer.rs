//! Bodies and headers of answers.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use portolan_model::Revision;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// On each answer to a write: the store's revision with the write in it.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("portolan-revision");

/// JSON, indented by one space as Kuma indents it.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    match value.serialize(&mut serializer) {
        Ok(()) => with_type(status, "application/json", text.into()),
        // Only a map with keys that are no text can fail, and no answer holds one.
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Plain text.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    with_type(status, "text/plain; charset=utf-8", text.into())
}

/// Lines of JSON that come one by one.
pub(crate) fn stream(lines: Body) -> Response {
    let mut response = Response::new(lines);
    let content_type = HeaderValue::from_static("application/x-ndjson");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// Adds the header [`REVISION`].
pub(crate) fn at_revision(mut response: Response, revision: Revision) -> Response {
    response
        .headers_mut()
        .insert(REVISION, HeaderValue::from(revision));
    response
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
