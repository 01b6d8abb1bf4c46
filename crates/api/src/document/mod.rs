//! Bodies as values, whatever they were written in.

mod syntax;

use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One value, or for several resources a stream of values (such as one in each line).
    Json,
    /// One document, or for several resources documents with `---` between them.
    Yaml,
}

impl Format {
    /// By `Content-Type`; what does not say YAML is taken for JSON, so that `curl -d` works.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        match content_type {
            Some(text) if text.contains("yaml") => Self::Yaml,
            _ => Self::Json,
        }
    }
}

/// The one document of a body.
///
/// # Errors
/// What is wrong with its syntax.
pub(crate) fn one(format: Format, body: &[u8]) -> Result<Value, String> {
    match format {
        Format::Json => serde_json::from_slice(body).map_err(|error| json_reason(body, &error)),
        Format::Yaml => serde_norway::from_slice(body).map_err(|error| error.to_string()),
    }
}

/// All documents of a body; empty ones are skipped.
///
/// # Errors
/// What is wrong with the syntax of the first broken one.
pub(crate) fn all(format: Format, body: &[u8]) -> Result<Vec<Value>, String> {
    let documents: Result<Vec<Value>, String> = match format {
        Format::Json => serde_json::Deserializer::from_slice(body)
            .into_iter()
            .map(|value| value.map_err(|error| error.to_string()))
            .collect(),
        Format::Yaml => serde_norway::Deserializer::from_slice(body)
            .map(|document| Value::deserialize(document).map_err(|error| error.to_string()))
            .collect(),
    };
    Ok(documents?
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// Clients know Go's words for broken JSON; what only this parser refuses is said in its own.
fn json_reason(body: &[u8], error: &serde_json::Error) -> String {
    syntax::first_error(body).unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests;
