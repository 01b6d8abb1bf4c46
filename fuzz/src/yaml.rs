//! Documents as the REST API gets them.

/// The reader itself: its crate would bring a web server and a database along.
#[allow(dead_code)]
#[path = "../../crates/api/src/document/mod.rs"]
mod document;

use document::Format;

/// Whatever is one document is also several, of which it is the only one, or empty; and nothing breaks
/// the reader.
pub fn check(bytes: &[u8]) {
    for format in [Format::Json, Format::Yaml] {
        let one = document::one(format, bytes);
        let all = document::all(format, bytes);
        if let Ok(one) = one {
            let alone: Vec<_> = Some(one).filter(|one| !one.is_null()).into_iter().collect();
            assert_eq!(all, Ok(alone), "{format:?}");
        }
    }
}
