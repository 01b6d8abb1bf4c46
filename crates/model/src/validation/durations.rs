//! Spans of time, as Envoy takes them: never negative, at most 292 years.

use super::Violations;
use crate::proto::well_known::Duration;

/// Must be given and longer than nothing.
pub(crate) fn required(violations: &mut Violations, field: String, given: Option<Duration>) {
    match given {
        None => violations.add(field, "must have a positive value"),
        Some(given) => check(violations, field, given, Some("must have a positive value")),
    }
}

/// Longer than nothing if it is given; `reason` says so.
pub(crate) fn longer_than_nothing(
    violations: &mut Violations,
    field: String,
    given: Option<Duration>,
    reason: &str,
) {
    if let Some(given) = given {
        check(violations, field, given, Some(reason));
    }
}

/// Zero, where given, means that there is no limit.
pub(crate) fn or_unlimited(violations: &mut Violations, field: String, given: Option<Duration>) {
    if let Some(given) = given {
        check(violations, field, given, None);
    }
}

fn check(violations: &mut Violations, field: String, given: Duration, if_zero: Option<&str>) {
    let Duration { seconds, nanos } = given;
    let valid =
        (0..=Duration::MAX_SECONDS).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
    match if_zero {
        _ if !valid => violations.add(field, "must have a valid value"),
        Some(reason) if given == Duration::default() => violations.add(field, reason),
        _ => {}
    }
}
