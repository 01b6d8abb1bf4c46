//! Violations: everything that is wrong with a resource, told at once.

pub(crate) mod durations;
pub(crate) mod fields;
pub(crate) mod http;
pub(crate) mod sources;
pub(crate) mod tags;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use serde::Serialize;

/// Longest name of a resource, in bytes.
const MAX_NAME: usize = 253;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Path of the field, as in `conf.listeners[0].port`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All violations of one resource, in the order of its fields; empty means valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            reason: reason.into(),
        });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, violation) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", violation.field, violation.reason)?;
        }
        Ok(())
    }
}

/// What is wrong with the name of a resource.
pub fn name(name: &str) -> Violations {
    let mut violations = Violations::default();
    if name.is_empty() {
        violations.add("name", "cannot be empty");
        return violations;
    }
    if name.len() > MAX_NAME {
        violations.add(
            "name",
            format!("value length must less or equal {MAX_NAME}"),
        );
    }
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| inner(*byte));
    let bytes = name.as_bytes();
    let allowed = bytes
        .iter()
        .all(|byte| inner(*byte) || matches!(byte, b'-' | b'.'));
    if !(allowed && ends(bytes.first()) && ends(bytes.last())) {
        violations.add(
            "name",
            "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.', and must start and end with an alphanumeric character",
        );
    }
    violations
}
