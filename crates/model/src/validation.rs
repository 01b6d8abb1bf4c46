//! Violations: everything that is wrong with a resource, told at once.

use std::fmt;

use serde::Serialize;

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
        self.0.push(Violation { field: field.into(), reason: reason.into() });
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
