//! Parts of HTTP that policies name.

use super::Violations;

/// Statuses that Go has a text for, by which Kuma knows them.
const STATUSES: [(u32, u32); 12] = [
    (100, 103),
    (200, 208),
    (226, 226),
    (300, 305),
    (307, 308),
    (400, 418),
    (421, 426),
    (428, 429),
    (431, 431),
    (451, 451),
    (500, 508),
    (510, 511),
];

/// Whether a status has a name.
pub(crate) fn is_status(status: u32) -> bool {
    STATUSES
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&status))
}

/// Whether Envoy can be told to answer with a status: it knows them by name.
pub(crate) fn is_envoy_status(status: u32) -> bool {
    const UNKNOWN: [u32; 6] = [101, 102, 103, 418, 425, 451];
    is_status(status) && !UNKNOWN.contains(&status)
}

/// The name of a header that may be changed; the empty name has its own reason in each kind.
pub(crate) fn header_name(violations: &mut Violations, field: String, name: &str) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        violations.add(
            field,
            "host header and HTTP/2 pseudo-headers are not allowed to be modified",
        );
    } else if !name.bytes().all(is_token) {
        violations.add(field, "is not the name of a header");
    }
}

/// The value of a header.
pub(crate) fn header_value(violations: &mut Violations, field: String, value: &str) {
    if value.contains(['\r', '\n', '\0']) {
        violations.add(field, "cannot have line breaks");
    }
}
