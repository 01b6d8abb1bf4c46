//! HealthCheck.

use std::fmt::Write as _;

use envoy_types::pb::envoy::{
    config::{
        cluster::v3::cluster::{
            CommonLbConfig,
            common_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig},
        },
        core::v3::{
            HeaderValue, HeaderValueOption, HealthCheck as EnvoyCheck,
            header_value_option::HeaderAppendAction,
            health_check::{HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload},
        },
    },
    r#type::v3::{CodecClientType, Int64Range, Percent},
};

use crate::{
    envoy::{boolean, cluster::Upstream, duration, number},
    plan::policy::{CheckHeader, Chosen, HealthCheck, HttpCheck, TcpCheck},
};

/// How a cluster's instances are checked; nothing if no policy says so. One check at most: several need names,
/// which only the newest versions of Envoy take. A request says more than a connection.
pub(in crate::envoy) fn check(chosen: &Chosen, upstream: Upstream) -> Option<EnvoyCheck> {
    let conf = &chosen.health_check.as_ref()?.conf;
    let http = conf.http.as_ref().and_then(|check| http(check, upstream));
    let tcp = || conf.tcp.as_ref().map(tcp);
    // An instance that takes connections is well.
    let connects = || HealthChecker::TcpHealthCheck(TcpHealthCheck::default());
    let checker = http.or_else(tcp).unwrap_or_else(connects);
    Some(with_checker(conf, checker))
}

/// What follows for the cluster if few instances are well; nothing if no policy says so.
pub(in crate::envoy) fn panic(chosen: &Chosen) -> Option<CommonLbConfig> {
    let HealthCheck {
        panic,
        fail_on_panic,
        ..
    } = chosen.health_check.as_ref()?.conf;
    if panic.is_none() && fail_on_panic.is_none() {
        return None;
    }
    let locality = fail_on_panic.map(|fail_traffic_on_panic| {
        LocalityConfigSpecifier::ZoneAwareLbConfig(ZoneAwareLbConfig {
            fail_traffic_on_panic,
            ..ZoneAwareLbConfig::default()
        })
    });
    Some(CommonLbConfig {
        healthy_panic_threshold: panic.map(|value| Percent { value }),
        locality_config_specifier: locality,
        ..CommonLbConfig::default()
    })
}

fn with_checker(conf: &HealthCheck, checker: HealthChecker) -> EnvoyCheck {
    let mut check = EnvoyCheck {
        timeout: duration(conf.timeout),
        interval: duration(conf.interval),
        no_traffic_interval: conf.idle_interval.and_then(duration),
        initial_jitter: conf.initial_jitter.and_then(duration),
        interval_jitter: conf.jitter.and_then(duration),
        interval_jitter_percent: conf.jitter_percent,
        unhealthy_threshold: number(conf.unhealthy),
        healthy_threshold: number(conf.healthy),
        reuse_connection: conf.reuse.and_then(boolean),
        always_log_health_check_failures: conf.log_always,
        health_checker: Some(checker),
        ..EnvoyCheck::default()
    };
    // Its successor takes a file too, and is an extension that not every build of Envoy has.
    #[allow(deprecated)]
    check.event_log_path.clone_from(&conf.log);
    check
}

fn tcp(check: &TcpCheck) -> HealthChecker {
    HealthChecker::TcpHealthCheck(TcpHealthCheck {
        send: check.send.as_deref().map(in_hexadecimal),
        receive: check
            .receive
            .iter()
            .map(|bytes| in_hexadecimal(bytes))
            .collect(),
        ..TcpHealthCheck::default()
    })
}

fn in_hexadecimal(bytes: &[u8]) -> Payload {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Payload {
        payload: Some(payload::Payload::Text(text)),
    }
}

/// Nothing where no HTTP is spoken.
fn http(check: &HttpCheck, upstream: Upstream) -> Option<HealthChecker> {
    let codec = match upstream {
        Upstream::Tcp => return None,
        Upstream::Http1 => CodecClientType::Http1,
        Upstream::Http2 => CodecClientType::Http2,
    };
    let statuses = check.statuses.iter().map(|status| Int64Range {
        start: (*status).into(),
        end: i64::from(*status) + 1,
    });
    Some(HealthChecker::HttpHealthCheck(HttpHealthCheck {
        path: check.path.clone(),
        request_headers_to_add: check.headers.iter().map(header).collect(),
        expected_statuses: statuses.collect(),
        codec_client_type: codec.into(),
        ..HttpHealthCheck::default()
    }))
}

fn header(header: &CheckHeader) -> HeaderValueOption {
    let action = match header.append {
        true => HeaderAppendAction::AppendIfExistsOrAdd,
        false => HeaderAppendAction::OverwriteIfExistsOrAdd,
    };
    HeaderValueOption {
        header: Some(HeaderValue {
            key: header.name.clone(),
            value: header.value.clone(),
            ..HeaderValue::default()
        }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}
