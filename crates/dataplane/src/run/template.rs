//! `{{ name }}` in a Dataplane, so that one file serves many instances.

use std::{collections::BTreeMap, iter};

/// A template that cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A variable has no value.
    #[error(
        "the Dataplane uses {{{{ {0} }}}}, which has no value; give it with --dataplane-var {0}=VALUE"
    )]
    Unknown(String),
    /// A `{{` without its end.
    #[error("the Dataplane has {{{{ without }}}} in line {0}")]
    Open(usize),
}

/// `text` with the variables' values in place of their names. `{{{ name }}}` is the same: nothing is
/// escaped.
pub(super) fn fill(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece? {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => {
                let value = variables.get(name);
                filled.push_str(value.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?);
            }
        }
    }
    Ok(filled)
}

/// The variables that it names, up to what cannot be read.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    let pieces = pieces(text).map_while(Result::ok);
    pieces.filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, TemplateError>> {
    let mut rest = text;
    iter::from_fn(move || match rest.find("{{") {
        _ if rest.is_empty() => None,
        Some(0) => {
            let (open, close) = match rest.starts_with("{{{") {
                true => ("{{{", "}}}"),
                false => ("{{", "}}"),
            };
            let inner = &rest[open.len()..];
            let Some(end) = inner.find(close) else {
                let line = text[..text.len() - inner.len()].lines().count();
                rest = "";
                return Some(Err(TemplateError::Open(line)));
            };
            rest = &inner[end + close.len()..];
            Some(Ok(Piece::Name(inner[..end].trim())))
        }
        next => {
            let before;
            (before, rest) = rest.split_at(next.unwrap_or(rest.len()));
            Some(Ok(Piece::Text(before)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_values() {
        let variables = [
            ("name", "gw-1"),
            ("zone.address", "10.0.0.1"),
            ("odd", "{{ name }}"),
        ];
        let variables = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let unknown = |name: &str| Err(TemplateError::Unknown(name.to_owned()));
        let cases = [
            ("plain: text", Ok("plain: text")),
            ("name: {{ name }}", Ok("name: gw-1")),
            (
                "a: {{name}}-{{{ name }}}\nb: {{ zone.address }}",
                Ok("a: gw-1-gw-1\nb: 10.0.0.1"),
            ),
            ("{{ odd }}", Ok("{{ name }}")),
            ("inline: {a: {b: 1}}", Ok("inline: {a: {b: 1}}")),
            ("{{ port }}", unknown("port")),
            ("{{ }}", unknown("")),
            ("a: 1\nb: {{ name", Err(TemplateError::Open(2))),
        ];
        for (text, expected) in cases {
            assert_eq!(
                fill(text, &variables),
                expected.map(str::to_owned),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_missing_value_is_told_with_the_flag() {
        let error = TemplateError::Unknown("port".to_owned()).to_string();
        assert_eq!(
            error,
            "the Dataplane uses {{ port }}, which has no value; give it with --dataplane-var port=VALUE"
        );
    }
}
