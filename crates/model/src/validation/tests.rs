//! What the tests of kinds share.

#![allow(clippy::unwrap_used)]

use serde_json::Value;

use crate::Kind;

/// What is wrong with this spec, each violation as `field: reason`.
pub(crate) fn violations(kind: Kind, spec: &Value) -> Vec<String> {
    let wire = kind.spec_from_json(spec).unwrap();
    let violations = (kind.validate)(&wire).0;
    violations
        .into_iter()
        .map(|one| format!("{}: {}", one.field, one.reason))
        .collect()
}

/// `spec` is valid, and REST shows it as it was written.
pub(crate) fn assert_valid(kind: Kind, spec: &Value) {
    assert_eq!(violations(kind, spec), [""; 0], "{spec}");
    let wire = kind.spec_from_json(spec).unwrap();
    assert_eq!(&kind.spec_to_json(&wire).unwrap(), spec);
    assert_eq!(kind.spec_from_wire(&wire).unwrap(), wire, "{spec}");
}

/// `spec` with the value at each path, as in `/conf/http`, replaced; a null removes it.
pub(crate) fn with(spec: &Value, changes: &[(&str, Value)]) -> Value {
    let mut spec = spec.clone();
    for (path, value) in changes {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let (parent, name) = (spec.pointer_mut(parent).unwrap(), name.replace("~1", "/"));
        match (parent, value) {
            (Value::Object(fields), Value::Null) => drop(fields.remove(&name)),
            (Value::Object(fields), value) => drop(fields.insert(name, value.clone())),
            (Value::Array(items), value) => items[name.parse::<usize>().unwrap()] = value.clone(),
            (parent, _) => panic!("{path}: {parent} has no fields"),
        }
    }
    spec
}

/// Changes to a valid spec, as in [`with`], and all that is wrong then.
type Row<'a> = (&'a [(&'a str, Value)], &'a [&'a str]);

/// `valid` is valid, and each row is told in full.
pub(crate) fn check(kind: Kind, valid: &Value, rows: &[Row<'_>]) {
    assert_valid(kind, valid);
    for (changes, expected) in rows {
        let spec = with(valid, changes);
        assert_eq!(violations(kind, &spec), *expected, "{changes:?}");
    }
}
