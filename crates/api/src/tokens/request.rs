//! What a token is asked for with, as kumactl sends it: absent and `null` mean the same. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::SignedDuration;
use portolan_identity::tokens::{DataplaneClaims, UserClaims, ZoneClaims};
use portolan_model::Violations;
use serde::Deserialize;

/// Ten years, Kuma's default for requests that do not say.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// What a proxy can be.
const PROXY_TYPES: [&str; 3] = ["dataplane", "ingress", "egress"];
/// What a zone token can be for: a zone's control plane, and what of a zone others reach.
const SCOPES: [&str; 3] = ["cp", "ingress", "egress"];

/// Of a data plane.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Dataplane {
    name: Option<String>,
    mesh: Option<String>,
    tags: Option<BTreeMap<String, BTreeSet<String>>>,
    r#type: Option<String>,
    workload: Option<String>,
    valid_for: Option<String>,
}

impl Dataplane {
    /// The claims, and how long they hold.
    pub(super) fn claims(self) -> Result<(DataplaneClaims, Duration), Violations> {
        let mut violations = Violations::default();
        let mesh = self.mesh.unwrap_or_default();
        if mesh.is_empty() {
            violations.add("mesh", "cannot be empty");
        }
        let valid_for = validity(&self.valid_for.unwrap_or_default(), &mut violations);
        let proxy_type = self.r#type.filter(|given| !given.is_empty());
        let proxy_type = proxy_type.unwrap_or_else(|| PROXY_TYPES[0].to_owned());
        if !PROXY_TYPES.contains(&proxy_type.as_str()) {
            violations.add("type", format!("{proxy_type} is not a valid proxy type"));
        }
        let claims = DataplaneClaims {
            name: self.name.unwrap_or_default(),
            mesh,
            tags: self.tags.unwrap_or_default(),
            proxy_type,
            workload: self.workload.unwrap_or_default(),
        };
        complete((claims, valid_for.unwrap_or(DEFAULT_VALIDITY)), violations)
    }
}

/// Of a zone.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Zone {
    zone: Option<String>,
    scope: Option<Vec<String>>,
    valid_for: Option<String>,
}

impl Zone {
    /// The claims, and how long they hold.
    pub(super) fn claims(self) -> Result<(ZoneClaims, Duration), Violations> {
        let mut violations = Violations::default();
        let zone = self.zone.unwrap_or_default();
        let scope = self.scope.unwrap_or_default();
        if scope.is_empty() {
            violations.add("scope", "cannot be empty");
        }
        for (position, one) in scope.iter().enumerate() {
            if !SCOPES.contains(&one.as_str()) {
                let reason = format!("{one:?} is none of {}", SCOPES.join(", "));
                violations.add(format!("scope[{position}]"), reason);
            }
        }
        if zone.is_empty() && scope.iter().any(|one| one == SCOPES[0]) {
            violations.add("zone", "cannot be empty for the scope cp");
        }
        let valid_for = validity(&self.valid_for.unwrap_or_default(), &mut violations);
        let claims = ZoneClaims { zone, scope };
        complete((claims, valid_for.unwrap_or(DEFAULT_VALIDITY)), violations)
    }
}

/// Of a user.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct User {
    name: Option<String>,
    groups: Option<Vec<String>>,
    valid_for: Option<String>,
}

impl User {
    /// The claims, and how long they hold.
    pub(super) fn claims(self) -> Result<(UserClaims, Duration), Violations> {
        let mut violations = Violations::default();
        let name = self.name.unwrap_or_default();
        if name.is_empty() {
            violations.add("name", "cannot be empty");
        }
        let valid_for = validity(&self.valid_for.unwrap_or_default(), &mut violations);
        let told = violations
            .0
            .iter()
            .any(|violation| violation.field == "validFor");
        if !told && valid_for.is_none_or(|duration| duration.is_zero()) {
            violations.add("validFor", "cannot be empty or nil");
        }
        let groups = self.groups.unwrap_or_default();
        let claims = UserClaims { name, groups };
        complete((claims, valid_for.unwrap_or_default()), violations)
    }
}

fn complete<T>(value: T, violations: Violations) -> Result<T, Violations> {
    if violations.is_empty() {
        Ok(value)
    } else {
        Err(violations)
    }
}

/// A duration as Go writes it, `24h0m0s`; `None` if there is none, or none that can be read.
fn validity(text: &str, violations: &mut Violations) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let parsed = text
        .parse::<SignedDuration>()
        .map_err(|error| error.to_string());
    let duration = parsed.and_then(|duration| {
        Duration::try_from(duration).map_err(|_| "must not be negative".to_owned())
    });
    duration
        .map_err(|error| {
            let reason = format!("is invalid: {error}; write it as in 24h or 1h30m");
            violations.add("validFor", reason);
        })
        .ok()
}
