//! Which header names and values Envoy takes. One that it refuses would take the whole route table with it.

use crate::fault::Reason;

/// Longest name or value of a header that Envoy takes, in bytes.
const LONGEST_HEADER: usize = 16 * 1024;

/// Longest name of a query parameter that Envoy takes, in bytes.
const LONGEST_QUERY_NAME: usize = 1024;

/// Checks a name that a condition looks at; `:method` and the like are allowed.
///
/// # Errors
/// [`Reason::HeaderName`]
pub(super) fn readable_name(name: &str) -> Result<(), Reason> {
    let bare = name.strip_prefix(':').unwrap_or(name);
    if !bare.is_empty() && name.len() <= LONGEST_HEADER && bare.bytes().all(is_name_byte) {
        Ok(())
    } else {
        Err(Reason::HeaderName(name.to_owned()))
    }
}

/// Checks a name that a filter changes: Envoy changes neither pseudo-headers nor the host this way.
///
/// # Errors
/// [`Reason::HeaderName`]
pub(super) fn writable_name(name: &str) -> Result<(), Reason> {
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Err(Reason::HeaderName(name.to_owned()));
    }
    readable_name(name)
}

/// Whether `set` on this header means the host of the request.
pub(super) fn is_host(name: &str) -> bool {
    name == ":authority" || name.eq_ignore_ascii_case("host")
}

/// Checks a text that becomes part of a request line or header as it is.
///
/// # Errors
/// [`Reason::HeaderValue`]
pub(super) fn plain_value(value: &str) -> Result<(), Reason> {
    if value.len() > LONGEST_HEADER || value.contains(['\0', '\r', '\n']) {
        return Err(Reason::HeaderValue(value.to_owned()));
    }
    Ok(())
}

/// Checks a header's value, in which Envoy fills in `%COMMANDS%`.
///
/// # Errors
/// [`Reason::HeaderValue`]
pub(super) fn formatted_value(value: &str) -> Result<(), Reason> {
    plain_value(value)?;
    let mut rest = value;
    while let Some(start) = rest.find('%') {
        rest = &rest[start + 1..];
        rest = match rest.strip_prefix('%') {
            Some(after) => after,
            None => after_command(rest).ok_or_else(|| Reason::HeaderValue(value.to_owned()))?,
        };
    }
    Ok(())
}

/// What follows a command such as `REQ(x-a):10%`, if `text` begins with one.
fn after_command(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_' && !c.is_ascii_digit())?;
    let (name, rest) = text.split_at(end);
    if rest.starts_with('(') {
        COMMANDS_WITH_ARGUMENT.contains(&name).then_some(())?;
        let (_, rest) = rest.split_once(')')?;
        let rest = match rest.strip_prefix(':') {
            Some(limit) => limit.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        rest.strip_prefix('%')
    } else {
        COMMANDS.contains(&name).then_some(())?;
        rest.strip_prefix('%')
    }
}

/// Commands without argument that Envoy fills in, those that make sense in a request or response.
const COMMANDS: [&str; 22] = [
    "BYTES_RECEIVED",
    "CONNECTION_ID",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_VERSION",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "UPSTREAM_REMOTE_ADDRESS",
    "VIRTUAL_CLUSTER_NAME",
];

/// Commands with an argument in parentheses that Envoy fills in.
const COMMANDS_WITH_ARGUMENT: [&str; 4] = ["ENVIRONMENT", "REQ", "RESP", "START_TIME"];

/// Checks the name of a query parameter.
///
/// # Errors
/// [`Reason::QueryName`]
pub(super) fn query_name(name: &str) -> Result<(), Reason> {
    if name.is_empty() || name.len() > LONGEST_QUERY_NAME {
        return Err(Reason::QueryName);
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(readable_name("x-a").is_ok() && readable_name(":path").is_ok());
        assert!(
            readable_name("").is_err()
                && readable_name("a b").is_err()
                && readable_name(":").is_err()
        );
        assert!(readable_name(&"a".repeat(20_000)).is_err());
        assert!(writable_name("X-A").is_ok());
        assert!(writable_name(":path").is_err() && writable_name("Host").is_err());
    }

    #[test]
    fn values() {
        for value in [
            "",
            "plain",
            "100%%",
            "%REQ(x-a)%",
            "a%REQ(x-a):10%b",
            "%PROTOCOL%",
            "%START_TIME(%s)%",
        ] {
            assert!(formatted_value(value).is_ok(), "{value}");
        }
        for value in [
            "100%",
            "%",
            "%NOPE%",
            "%REQ(x-a)",
            "%REQ%",
            "%req(x)%",
            "a\nb",
            "%PROTOCOL(a)%",
        ] {
            assert!(formatted_value(value).is_err(), "{value}");
        }
    }
}
