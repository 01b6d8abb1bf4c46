//! Bodies of bounded size.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use crate::problem::Problem;

/// A body that is too large is read on to this multiple of the limit before it is refused, because many
/// clients see an answer only once they have sent everything.
const READ_ON: usize = 16;

/// The whole body, if it has at most `limit` bytes.
///
/// # Errors
/// 413 when it is larger, 400 when it ends before its end.
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<Bytes, Problem> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > limit && (headers.contains_key(header::EXPECT) || announced / READ_ON > limit) {
        return Err(too_large(limit));
    }
    let mut chunks = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::bad_request(format!("the body broke off ({error}): send it again"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length / READ_ON > limit {
            break;
        }
        if length > limit {
            chunks.clear();
        } else {
            chunks.push(data);
        }
    }
    if length > limit {
        Err(too_large(limit))
    } else {
        Ok(joined(chunks))
    }
}

fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    match chunks.len() {
        0 => Bytes::new(),
        1 => chunks.swap_remove(0),
        _ => chunks
            .iter()
            .fold(BytesMut::new(), |mut whole, chunk| {
                whole.extend_from_slice(chunk);
                whole
            })
            .freeze(),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Request Entity Too Large",
        format!("the body has more than {limit} bytes: send less at a time"),
    )
}
