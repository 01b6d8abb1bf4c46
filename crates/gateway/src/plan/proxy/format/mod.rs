//! Formats of access logs: text with Envoy's commands, as `%START_TIME%` and `%REQ(:METHOD):20%`.
//!
//! Envoy refuses a whole listener for one command that it does not know, so formats are checked first.

/// Variables that the control plane fills in before Envoy sees the format.
pub const VARIABLES: [&str; 8] = [
    "KUMA_SOURCE_ADDRESS",
    "KUMA_SOURCE_ADDRESS_WITHOUT_PORT",
    "KUMA_SOURCE_SERVICE",
    "KUMA_DESTINATION_SERVICE",
    "KUMA_MESH",
    "KUMA_TRAFFIC_DIRECTION",
    "KUMA_ZONE",
    "KUMA_WORKLOAD",
];

/// Commands of Envoy without arguments.
pub const PLAIN: [&str; 122] = [
    "ACCESS_LOG_TYPE",
    "BYTES_RECEIVED",
    "BYTES_RETRANSMITTED",
    "BYTES_SENT",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_DIRECT_LOCAL_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DURATION",
    "FILTER_CHAIN_NAME",
    "GRPC_STATUS_NUMBER",
    "HOSTNAME",
    "LOCAL_REPLY_BODY",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "REQUEST_DURATION",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_DURATION",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "ROUTE_NAME",
    "SPAN_ID",
    "STREAM_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRACE_ID",
    "UNIQUE_ID",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HOST",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_LOCAL_DNS_SAN",
    "UPSTREAM_LOCAL_IP_SAN",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_LOCAL_URI_SAN",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER_NAME",
];

/// Commands of Envoy that need arguments, each with some that it takes.
pub const WITH_ARGUMENTS: [(&str, &str); 13] = [
    ("CLUSTER_METADATA", "a:b"),
    ("COMMON_DURATION", "DS_RX_BEG:US_TX_BEG:ms"),
    ("DYNAMIC_METADATA", "a:b"),
    ("ENVIRONMENT", "HOME"),
    ("FILTER_STATE", "key:PLAIN"),
    ("METADATA", "ROUTE:a:b"),
    ("PATH", "NQ"),
    ("QUERY_PARAM", "q"),
    ("REQ", "X-ENVOY-ORIGINAL-PATH?:PATH"),
    ("RESP", "X"),
    ("TRAILER", "X"),
    ("UPSTREAM_FILTER_STATE", "key:PLAIN"),
    ("UPSTREAM_METADATA", "a:b"),
];

/// Commands of Envoy that take arguments and do without.
pub const WITH_OR_WITHOUT: [(&str, &str); 15] = [
    ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", "x"),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", "x"),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "x"),
    ("DOWNSTREAM_PEER_CERT_V_END", "%Y"),
    ("DOWNSTREAM_PEER_CERT_V_START", "%Y"),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "x"),
    ("EMIT_TIME", "%s"),
    ("EMIT_TIME_LOCAL", "%Y"),
    ("GRPC_STATUS", "SNAKE_STRING"),
    ("START_TIME", "%Y-%m-%dT%H:%M:%S%z"),
    ("START_TIME_LOCAL", "%Y"),
    ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "x"),
    ("UPSTREAM_PEER_CERT_V_END", "%Y"),
    ("UPSTREAM_PEER_CERT_V_START", "%Y"),
    ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "x"),
];

/// Those whose result may be cut, as in `%REQ(:PATH):20%`.
pub const CUT: [&str; 10] = [
    "DYNAMIC_METADATA",
    "ENVIRONMENT",
    "FILTER_STATE",
    "METADATA",
    "PATH",
    "QUERY_PARAM",
    "REQ",
    "RESP",
    "TRAILER",
    "UPSTREAM_FILTER_STATE",
];

/// What is wrong with a format, if Envoy would refuse it.
pub(super) fn check(format: &str) -> Result<(), String> {
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
            continue;
        }
        let name = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = rest.split_at(name.unwrap_or(rest.len()));
        let (arguments, after) = arguments(name, after)?;
        let after = match after.strip_prefix(':') {
            Some(_) if !CUT.contains(&name) => return Err(format!("%{name}% cannot be cut")),
            Some(length) => length.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => after,
        };
        let Some(after) = after.strip_prefix('%') else {
            return Err(format!(
                "after %{name} a % is missing; write %% for the sign itself"
            ));
        };
        known(name, arguments)?;
        rest = after;
    }
    Ok(())
}

/// What stands in parentheses after a name, and the rest. Formats of times have percent signs in them.
fn arguments<'a>(name: &str, after: &'a str) -> Result<(Option<&'a str>, &'a str), String> {
    let Some(inner) = after.strip_prefix('(') else {
        return Ok((None, after));
    };
    let (arguments, rest) = inner
        .split_once(')')
        .ok_or_else(|| format!("the parenthesis after %{name} is not closed"))?;
    Ok((Some(arguments), rest))
}

fn known(name: &str, arguments: Option<&str>) -> Result<(), String> {
    let is_among = |list: &[(&str, &str)]| list.iter().any(|(command, _)| *command == name);
    let without = VARIABLES.contains(&name) || PLAIN.contains(&name);
    match arguments {
        _ if is_among(&WITH_OR_WITHOUT) => Ok(()),
        None if without => Ok(()),
        Some(_) if is_among(&WITH_ARGUMENTS) => Ok(()),
        Some(_) if without => Err(format!("%{name}% takes no arguments")),
        None if is_among(&WITH_ARGUMENTS) => Err(format!("%{name}(…)% needs arguments")),
        _ => Err(format!("nothing is known of %{name}%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_would_refuse_is_found() {
        for good in [
            "",
            "plain text, 100%%",
            "%START_TIME% %KUMA_MESH% %RESPONSE_CODE%",
            "[%START_TIME(%Y/%m/%dT%H:%M:%S%z)%] %REQ(:METHOD):20% %REQ(X?Y)%",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, problem) in [
            (
                "100%",
                "after % a % is missing; write %% for the sign itself",
            ),
            (
                "%START_TIME",
                "after %START_TIME a % is missing; write %% for the sign itself",
            ),
            ("%REQ(:METHOD%", "the parenthesis after %REQ is not closed"),
            ("%REQ%", "%REQ(…)% needs arguments"),
            ("%PROTOCOL(x)%", "%PROTOCOL% takes no arguments"),
            ("%PROTOCOL:3%", "%PROTOCOL% cannot be cut"),
            ("%KUMA_NAME%", "nothing is known of %KUMA_NAME%"),
        ] {
            assert_eq!(check(bad), Err(problem.to_owned()), "{bad}");
        }
    }
}
