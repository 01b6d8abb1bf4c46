//! Labels of what is written: those of the author, and those that the control plane adds.

use portolan_model::{
    Direction, Kind, Labels, Resource, Scope, Violations,
    labels::{DISPLAY_NAME, ENV, ENV_UNIVERSAL, MESH, ORIGIN, ORIGIN_GLOBAL, ORIGIN_ZONE, ZONE},
};

use crate::config::Role;

/// Longest label value and longest name part of a label's name, in bytes.
const LONGEST: usize = 63;
/// Longest prefix of a label's name, in bytes.
const LONGEST_PREFIX: usize = 253;

/// All labels of a resource: the author's, completed as Kuma does on a universal control plane, and over
/// them what the kind derives from the spec.
pub(crate) fn complete(
    role: &Role,
    kind: Kind,
    mesh: &str,
    mut labels: Labels,
    derived: Labels,
) -> Labels {
    let mut add = |name: &str, value: &str| {
        labels
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    if kind.scope == Scope::Mesh {
        add(MESH, mesh);
    }
    if let Role::Zone { name } = role
        && kind.direction != Direction::GlobalToZone
    {
        add(ORIGIN, ORIGIN_ZONE);
        add(ZONE, name);
        add(ENV, ENV_UNIVERSAL);
    }
    labels.extend(derived);
    labels
}

/// What an author should know about labels that are taken but do not say what they seem to.
pub(crate) fn warnings(mesh: &str, labels: &Labels, derived: &Labels) -> Vec<String> {
    let replaced = derived.iter().filter_map(|(name, value)| {
        let given = labels.get(name).filter(|&given| given != value)?;
        Some(format!(
            "label {name} is set by the control plane: {given:?} became {value:?}"
        ))
    });
    let misleading = labels
        .get(MESH)
        .filter(|&given| given != mesh)
        .map(|given| {
            format!("label {MESH} says {given:?}, but the resource is in the mesh {mesh:?}")
        });
    replaced.chain(misleading).collect()
}

/// What is wrong with an author's labels.
pub(crate) fn check(role: &Role, mesh: &str, labels: &Labels) -> Violations {
    let mut violations = Violations::default();
    check_origin(role, labels, &mut violations);
    if let Role::Zone { name: zone } = role {
        if labels.get(ZONE).is_some_and(|value| value != zone) {
            let reason = format!("{ZONE} label should have {zone} value");
            violations.add(field(ZONE), reason);
        }
        if labels.get(MESH).is_some_and(|value| value != mesh) {
            let reason = format!("{MESH} label must not differ from mesh set on resource");
            violations.add(field(MESH), reason);
        }
    }
    for (name, value) in labels {
        if let Some(reason) = wrong_name(name) {
            violations.add(field(name), reason);
        }
        if let Some(reason) = wrong_value(value) {
            violations.add(field(name), reason);
        }
    }
    violations
}

fn check_origin(role: &Role, labels: &Labels, violations: &mut Violations) {
    let Some(origin) = labels.get(ORIGIN) else {
        return;
    };
    if ![ORIGIN_GLOBAL, ORIGIN_ZONE].contains(&origin.as_str()) {
        violations.add(field(ORIGIN), format!("unknown resource origin {origin:?}"));
    }
    violations.0.extend(foreign_origin(role, labels).0);
}

/// The violation of writing what the other side wrote.
pub(crate) fn foreign_origin(role: &Role, labels: &Labels) -> Violations {
    let own = match role {
        Role::Global => ORIGIN_GLOBAL,
        Role::Zone { .. } => ORIGIN_ZONE,
    };
    let mut violations = Violations::default();
    if labels.get(ORIGIN).is_some_and(|origin| origin != own) {
        violations.add(
            field(ORIGIN),
            format!("the origin label must be set to '{own}'"),
        );
    }
    violations
}

/// What an update may not do to the labels of a resource: say that it comes from elsewhere.
pub(crate) fn check_update(current: &Resource, labels: &Labels) -> Violations {
    let mut violations = Violations::default();
    for name in [ORIGIN, ZONE, DISPLAY_NAME] {
        let Some(was) = current.labels.get(name) else {
            continue;
        };
        match labels.get(name) {
            None => violations.add(
                field(name),
                format!("is immutable, cannot be removed (was {was:?})"),
            ),
            Some(is) if is != was => violations.add(
                field(name),
                format!("is immutable, cannot be changed from {was:?} to {is:?}"),
            ),
            Some(_) => {}
        }
    }
    violations
}

fn field(name: &str) -> String {
    format!("labels[{name:?}]")
}

fn wrong_name(label: &str) -> Option<&'static str> {
    let (prefix, name) = match label.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, label),
    };
    let wrong_prefix = prefix.is_some_and(|prefix| {
        prefix.len() > LONGEST_PREFIX || !prefix.split('.').all(|part| is_word(part, b"-", false))
    });
    if wrong_prefix {
        return Some("the part before '/' must be a DNS name in lower case");
    }
    (name.len() > LONGEST || !is_word(name, b"-_.", true)).then_some(
        "the name must have 1 to 63 letters, digits, '-', '_' or '.', and begin and end with a letter \
         or digit",
    )
}

fn wrong_value(value: &str) -> Option<&'static str> {
    let fits = value.is_empty() || (value.len() <= LONGEST && is_word(value, b"-_.", true));
    (!fits).then_some(
        "the value must be empty, or have at most 63 letters, digits, '-', '_' or '.', and begin and \
         end with a letter or digit",
    )
}

fn is_word(text: &str, between: &[u8], upper_case: bool) -> bool {
    let plain = |byte: &u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || (upper_case && byte.is_ascii_uppercase())
    };
    let bytes = text.as_bytes();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes
            .iter()
            .all(|byte| plain(byte) || between.contains(byte))
}

#[cfg(test)]
mod tests;
