//! Tags, and the selectors of policies. The reasons are Kuma's, in its order.

use super::{Violations, fields::key};
use crate::{
    proto::mesh::Selector,
    tags::{ANY, PROTOCOL, SERVICE, Tags},
};

/// What services may speak.
const PROTOCOLS: [&str; 5] = ["grpc", "http", "http2", "kafka", "tcp"];
/// Taken too, though Kuma tells nobody.
const UNTOLD_PROTOCOLS: [&str; 2] = ["mysql", "tls"];
/// Those that are HTTP, in Kuma's order.
const HTTP_PROTOCOLS: [&str; 3] = ["http", "http2", "grpc"];

/// What the values of tags may be, beside letters, digits and `-._:`.
#[derive(Clone, Copy)]
pub(crate) struct Values {
    slashes: bool,
    any: bool,
}

impl Values {
    /// Of Dataplanes and services.
    pub(crate) const OWN: Self = Self {
        slashes: false,
        any: false,
    };
    /// Of gateways, their listeners and the destinations of routes.
    pub(crate) const GATEWAY: Self = Self {
        slashes: true,
        any: false,
    };
    /// Of selectors.
    pub(crate) const SELECTOR: Self = Self {
        slashes: true,
        any: true,
    };

    fn allow(self, value: &str) -> bool {
        self.any && value == ANY || is_text(value, if self.slashes { "-._:/" } else { "-._:" })
    }

    fn reason(self) -> String {
        format!(
            "tag value must consist of alphanumeric characters, dots, dashes{} and underscores{}",
            if self.slashes { ", slashes" } else { "" },
            if self.any { " or be \"*\"" } else { "" },
        )
    }
}

/// Which tags a selector must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// At least one, whichever.
    Tags,
    /// At least one, and a protocol of HTTP among them.
    HttpProtocol,
    /// A service, perhaps with others.
    Service,
    /// A service and nothing else.
    ServiceAlone,
}

/// The two ends of the connections that a policy is for.
pub(crate) fn ends(
    violations: &mut Violations,
    sources: (&[Selector], Wanted),
    destinations: (&[Selector], Wanted),
) {
    selectors(violations, "sources", sources.0, sources.1);
    selectors(violations, "destinations", destinations.0, destinations.1);
}

/// The selectors of a policy, at least one.
pub(crate) fn selectors(
    violations: &mut Violations,
    field: &str,
    selectors: &[Selector],
    wanted: Wanted,
) {
    if selectors.is_empty() {
        violations.add(field, "must have at least one element");
    }
    each_selector(violations, field, selectors, wanted);
}

/// The selectors of a policy that needs none.
pub(crate) fn each_selector(
    violations: &mut Violations,
    field: &str,
    selectors: &[Selector],
    wanted: Wanted,
) {
    for (position, one) in selectors.iter().enumerate() {
        selector(
            violations,
            &format!("{field}[{position}].match"),
            &one.r#match,
            wanted,
        );
    }
}

/// One set of tags that selects.
pub(crate) fn selector(violations: &mut Violations, field: &str, given: &Tags, wanted: Wanted) {
    match wanted {
        Wanted::ServiceAlone if given.len() != 1 || !given.contains_key(SERVICE) => {
            violations.add(
                field,
                format!("must consist of exactly one tag {SERVICE:?}"),
            );
        }
        Wanted::ServiceAlone => {}
        _ if given.is_empty() => violations.add(field, "must have at least one tag"),
        _ => {}
    }
    if wanted == Wanted::HttpProtocol {
        http_protocol(violations, field, given);
    }
    for (name, value) in given {
        check_name(violations, field, name);
        if wanted == Wanted::ServiceAlone && name != SERVICE {
            violations.add(key(field, name), format!("tag {name:?} is not allowed"));
        }
        check_value(violations, field, name, value, Values::SELECTOR);
    }
    if matches!(wanted, Wanted::Service | Wanted::ServiceAlone) {
        service(violations, field, given);
    }
}

/// Names and values of tags.
pub(crate) fn tags(violations: &mut Violations, field: &str, given: &Tags, values: Values) {
    for (name, value) in given {
        check_name(violations, field, name);
        check_value(violations, field, name, value, values);
    }
}

/// Tags that must name their service.
pub(crate) fn of_service(violations: &mut Violations, field: &str, given: &Tags, values: Values) {
    tags(violations, field, given, values);
    service(violations, field, given);
}

/// Tags of gateways, which must not name a service: it comes from the Dataplane.
pub(crate) fn without_service(violations: &mut Violations, field: &str, given: &Tags) {
    tags(violations, field, given, Values::GATEWAY);
    if given.contains_key(SERVICE) {
        violations.add(
            key(field, SERVICE),
            format!("tag name must not be {SERVICE:?}"),
        );
    }
}

/// A protocol tag, if there is one. Capitals do not matter.
pub(crate) fn protocol(violations: &mut Violations, field: &str, given: &Tags) {
    if let Some(value) = given.get(PROTOCOL)
        && let Err(allowed) = is_protocol(value)
    {
        violations.add(
            key(field, PROTOCOL),
            format!("tag {PROTOCOL:?} has an invalid value {value:?}. {allowed}"),
        );
    }
}

/// What an inbound says that it speaks, beside its tags.
pub(crate) fn own_protocol(violations: &mut Violations, field: String, value: &str) {
    if !value.is_empty()
        && let Err(allowed) = is_protocol(value)
    {
        violations.add(field, format!("has an invalid value {value:?}. {allowed}"));
    }
}

fn is_protocol(value: &str) -> Result<(), String> {
    let mut all = PROTOCOLS.iter().chain(&UNTOLD_PROTOCOLS);
    match all.any(|protocol| value.eq_ignore_ascii_case(protocol)) {
        true => Ok(()),
        false => Err(format!("Allowed values: {}", PROTOCOLS.join(", "))),
    }
}

/// Whether a tag may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    is_text(name, "-._:/")
}

fn http_protocol(violations: &mut Violations, field: &str, given: &Tags) {
    match given.get(PROTOCOL) {
        None => violations.add(field, "protocol must be specified"),
        Some(value) if HTTP_PROTOCOLS.contains(&&*value.to_ascii_lowercase()) => {}
        Some(_) => {
            let allowed = HTTP_PROTOCOLS.join(", ");
            violations.add(
                key(field, PROTOCOL),
                format!("must be one of the [{allowed}]"),
            );
        }
    }
}

fn check_name(violations: &mut Violations, field: &str, name: &str) {
    if name.is_empty() {
        violations.add(field, "tag name must be non-empty");
    }
    if !is_name(name) {
        violations.add(
            key(field, name),
            "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores",
        );
    }
}

fn check_value(violations: &mut Violations, field: &str, name: &str, value: &str, values: Values) {
    if value.is_empty() {
        violations.add(key(field, name), "tag value must be non-empty");
    } else if !values.allow(value) {
        violations.add(key(field, name), values.reason());
    }
}

fn service(violations: &mut Violations, field: &str, given: &Tags) {
    if !given.contains_key(SERVICE) {
        violations.add(field, format!("mandatory tag {SERVICE:?} is missing"));
    }
}

fn is_text(text: &str, others: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}
