#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn broken_json_is_told_in_gos_words() {
    let cases = [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("\"abc", "unexpected end of JSON input"),
        (
            "{not json",
            "invalid character 'n' looking for beginning of object key string",
        ),
        ("x", "invalid character 'x' looking for beginning of value"),
        (
            "[1,]",
            "invalid character ']' looking for beginning of value",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        (
            "{\"a\":1 \"b\"}",
            "invalid character '\"' after object key:value pair",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        (
            "nul!",
            "invalid character '!' in literal null (expecting 'l')",
        ),
        ("-x", "invalid character 'x' in numeric literal"),
        (
            "1.x",
            "invalid character 'x' after decimal point in numeric literal",
        ),
        (
            "1ex",
            "invalid character 'x' in exponent of numeric literal",
        ),
        ("\"\\q\"", "invalid character 'q' in string escape code"),
        (
            "\"\\u00g0\"",
            "invalid character 'g' in \\u hexadecimal character escape",
        ),
        ("\"\n\"", "invalid character '\\n' in string literal"),
        (
            "'",
            "invalid character '\\'' looking for beginning of value",
        ),
        (
            "\u{1}",
            "invalid character '\\x01' looking for beginning of value",
        ),
    ];
    for (text, reason) in cases {
        assert_eq!(
            one(Format::Json, text.as_bytes()).unwrap_err(),
            reason,
            "{text}"
        );
    }
}

#[test]
fn any_depth_is_refused_without_exhausting_the_stack() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(
        one(Format::Json, deep.as_bytes()).unwrap_err(),
        "unexpected end of JSON input"
    );
    let closed = format!("{deep}{}", "]".repeat(1_000_000));
    assert!(
        one(Format::Json, closed.as_bytes())
            .unwrap_err()
            .contains("recursion limit")
    );
}

proptest! {
    #[test]
    fn the_scanner_refuses_exactly_what_the_parser_refuses(
        text in "[\\[\\]{}:,\"\\\\0-9eE+.a-u \n-]{0,24}"
    ) {
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        // Lone surrogates and numbers out of range are no matter of syntax.
        let out_of_range = parsed.as_ref().is_err_and(|error| {
            let reason = error.to_string();
            reason.contains("number out of range") || reason.contains("surrogate")
        });
        prop_assume!(!out_of_range);
        let expected = parsed.is_err();
        prop_assert_eq!(syntax::first_error(text.as_bytes()).is_some(), expected, "{:?}", text);
    }
}

#[test]
fn several_documents_in_either_format() {
    let expected = vec![json!({"a": 1}), json!([{"b": 2}])];
    assert_eq!(
        all(Format::Json, b"{\"a\": 1}\n[{\"b\": 2}]\n").unwrap(),
        expected
    );
    assert_eq!(
        all(Format::Yaml, b"a: 1\n---\n---\n- b: 2\n").unwrap(),
        expected
    );
    assert_eq!(all(Format::Json, b"").unwrap(), Vec::<Value>::new());
    assert!(all(Format::Json, b"{\"a\": 1} {").is_err());
    assert!(all(Format::Yaml, b"a: [").is_err());
}

#[test]
fn yaml_is_told_by_its_content_type() {
    let format = |content_type: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static(content_type),
        );
        Format::of(&headers)
    };
    assert_eq!(format("application/yaml"), Format::Yaml);
    assert_eq!(format("text/x-yaml; charset=utf-8"), Format::Yaml);
    assert_eq!(format("application/json"), Format::Json);
    assert_eq!(Format::of(&HeaderMap::new()), Format::Json);
}
