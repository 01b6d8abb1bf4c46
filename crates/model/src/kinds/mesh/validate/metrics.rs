//! Where Prometheus finds the metrics of proxies.

use std::collections::HashSet;

use super::{Names, config};
use crate::{
    proto::mesh::{Metrics, PrometheusMetricsBackendConfig, prometheus_tls_config::Mode},
    validation::Violations,
};

/// All that is wrong with it.
pub(super) fn validate(violations: &mut Violations, metrics: &Metrics) {
    let mut names = Names::new("metrics");
    for (position, backend) in metrics.backends.iter().enumerate() {
        names.take(violations, position, &backend.name);
        let field = format!("metrics.backends[{position}]");
        if backend.r#type != "prometheus" {
            violations.add(
                format!("{field}.type"),
                r#"unknown backend type. Available backends: "prometheus""#,
            );
            continue;
        }
        let field = format!("{field}.conf");
        if let Some(prometheus) = config(violations, &field, backend.conf.as_ref()) {
            validate_prometheus(violations, &field, &prometheus);
        }
    }
    let reason = "has to be set to one of the backends in the mesh";
    names.choose(violations, "enabledBackend", &metrics.enabled_backend, reason);
}

fn validate_prometheus(
    violations: &mut Violations,
    field: &str,
    prometheus: &PrometheusMetricsBackendConfig,
) {
    if let (Some(skip), Some(tls)) = (&prometheus.skip_mtls, &prometheus.tls) {
        // The two ways to say it may say the same.
        let same = if skip.value { Mode::Disabled } else { Mode::ActiveMtlsBackend };
        if tls.mode() != same {
            violations.add(field, "skipMTLS and tls configuration cannot be defined together");
            return;
        }
    }
    let filter = prometheus.envoy.as_ref().map_or("", |envoy| &envoy.filter_regex);
    if let Err(error) = regex::Regex::new(filter) {
        violations.add(
            format!("{field}.envoy.filterRegex"),
            format!("provided regexp isn't correct: {error}"),
        );
        return;
    }
    let mut names = HashSet::new();
    for (position, aggregate) in prometheus.aggregate.iter().enumerate() {
        let name = &aggregate.name;
        if !names.insert(name) {
            violations.add(
                format!("{field}.aggregate[{position}].name"),
                format!("duplicate entry: {name}, values have to be unique"),
            );
        }
    }
}
