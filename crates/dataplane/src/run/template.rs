//! `{{ name }}` in a Dataplane, so that one file serves many instances.

use std::collections::BTreeMap;

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
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let before = &rest[..start];
        let (open, close) = if rest[start..].starts_with("{{{") {
            ("{{{", "}}}")
        } else {
            ("{{", "}}")
        };
        let inner = &rest[start + open.len()..];
        let line = text[..text.len() - inner.len()].lines().count();
        let end = inner.find(close).ok_or(TemplateError::Open(line))?;
        let name = inner[..end].trim();
        let value = variables
            .get(name)
            .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = &inner[end + close.len()..];
    }
    filled.push_str(rest);
    Ok(filled)
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
