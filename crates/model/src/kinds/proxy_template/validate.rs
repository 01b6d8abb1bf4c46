//! What a ProxyTemplate must fulfil. Values are only read as YAML: whether they fit Envoy's messages is
//! seen when a gateway is compiled.

mod modifications;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message;
use serde_norway::Value;

use crate::{
    proto::mesh::{ProxyTemplate, ProxyTemplateRawResource, proxy_template::Conf},
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// Kuma's names for what it generates.
const PROFILES: [&str; 4] = ["default-proxy", "egress-proxy", "gateway-proxy", "ingress-proxy"];

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(template) = ProxyTemplate::decode(spec.clone()) else { return violations };
    tags::each_selector(&mut violations, "selectors", &template.selectors, Wanted::Service);
    validate_conf(&mut violations, &template.conf.unwrap_or_default());
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    for (position, profile) in conf.imports.iter().enumerate() {
        let field = format!("conf.imports[{position}]");
        if profile.is_empty() {
            violations.add(field, "cannot be empty");
        } else if !PROFILES.contains(&profile.as_str()) {
            let known = PROFILES.join(",");
            violations.add(field, format!("profile not found. Available profiles: {known}"));
        }
    }
    for (position, resource) in conf.resources.iter().enumerate() {
        validate_resource(violations, &format!("conf.resources[{position}]"), resource);
    }
    for (position, one) in conf.modifications.iter().enumerate() {
        modifications::validate(violations, &format!("conf.modifications[{position}]"), one);
    }
}

fn validate_resource(violations: &mut Violations, field: &str, given: &ProxyTemplateRawResource) {
    let ProxyTemplateRawResource { name, version, resource } = given;
    for (part, value) in [("name", name), ("version", version), ("resource", resource)] {
        if value.is_empty() {
            violations.add(format!("{field}.{part}"), "cannot be empty");
        }
    }
    if !resource.is_empty() {
        needs(violations, format!("{field}.resource"), resource, Some("@type"));
    }
}

/// Text that is a YAML object, with a value for `part` if one is named.
fn needs(violations: &mut Violations, field: String, text: &str, part: Option<&str>) {
    let reason = match serde_norway::from_str::<Value>(text) {
        Err(error) => error.to_string(),
        Ok(Value::Mapping(object)) => match part {
            Some(part) if !object.get(part).is_some_and(is_text) => format!("{part} is missing"),
            _ => return,
        },
        Ok(_) => "it is not a YAML object".to_owned(),
    };
    violations.add(field, format!("native Envoy resource is not valid: {reason}"));
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}
