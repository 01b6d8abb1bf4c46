//! What a VirtualOutbound must fulfil.

mod template;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::{
        VirtualOutbound,
        virtual_outbound::{Conf, conf::TemplateParameter},
    },
    tags::SERVICE,
    validation::{
        Violations,
        tags::{self, Wanted},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(outbound) = VirtualOutbound::decode(spec.clone()) else { return violations };
    tags::selectors(&mut violations, "selectors", &outbound.selectors, Wanted::Tags);
    match &outbound.conf {
        None => violations.add("conf", "has to be defined"),
        Some(conf) => validate_conf(&mut violations, conf),
    }
    violations
}

fn validate_conf(violations: &mut Violations, conf: &Conf) {
    validate_parameters(violations, &conf.parameters);
    let filled = |text: &str, value: &str| {
        let names = conf.parameters.iter().map(|parameter| parameter.name.as_str());
        let values: BTreeMap<&str, &str> = names.map(|name| (name, value)).collect();
        template::fill(text, &values)
    };
    let host = filled(&conf.host, "dummy").and_then(|host| check(host, template::check_host));
    let port = filled(&conf.port, "1").and_then(|port| check(port, template::check_port));
    for (field, text, outcome) in [("host", &conf.host, host), ("port", &conf.port, port)] {
        let field = format!("conf.{field}");
        if text.is_empty() {
            violations.add(field, "has to be defined");
        } else if let Err(reason) = outcome {
            violations
                .add(field, format!("template pre evaluation failed with error={reason:?}"));
        }
    }
}

/// A template that nobody can fill in here is taken as it is.
fn check(
    filled: Option<String>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    filled.map_or(Ok(()), |text| check(&text))
}

fn validate_parameters(violations: &mut Violations, parameters: &[TemplateParameter]) {
    const FIELD: &str = "conf.parameters";
    let mut names = HashSet::new();
    for (position, TemplateParameter { name, tag_key }) in parameters.iter().enumerate() {
        let field = |part: &str| format!("{FIELD}[{position}].{part}");
        if !names.insert(name) {
            violations.add(field("name"), "name is already used");
        }
        if !tag_key.is_empty() && !tags::is_name(tag_key) {
            violations.add(field("tagKey"), "must be a valid tag name");
        }
        if tag_key.is_empty() && !tags::is_name(name) {
            violations.add(
                field("name"),
                "must be a valid tag name if you are not setting tagKey",
            );
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            violations.add(
                field("name"),
                "must consist of alphanumeric characters to be used as a gotemplate key",
            );
        }
    }
    if !parameters.iter().any(|parameter| parameter.tag_key == SERVICE) {
        violations.add(FIELD, format!("must contain a parameter with {SERVICE} as a tagKey"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::VIRTUAL_OUTBOUND, validation::tests::*};

    fn valid() -> Value {
        json!({
            "selectors": [{ "match": { "kuma.io/service": "*" } }],
            "conf": {
                "host": "{{.service}}.{{- .v }}.mesh",
                "port": "{{.port}}",
                "parameters": [
                    { "name": "service", "tagKey": "kuma.io/service" },
                    { "name": "v", "tagKey": "version" },
                    { "name": "port" },
                ],
            },
        })
    }

    #[test]
    fn violations_say_what_kuma_says() {
        const GO_KEY: &str = "must consist of alphanumeric characters to be used as a gotemplate key";
        check(VIRTUAL_OUTBOUND, &valid(), &[
            (&[("/conf", Value::Null)], &["conf: has to be defined"]),
            (&[("/selectors", json!([]))], &["selectors: must have at least one element"]),
            (&[("/selectors/0/match", json!({}))], &["selectors[0].match: must have at least one tag"]),
            (&[("/conf", json!({}))], &[
                "conf.parameters: must contain a parameter with kuma.io/service as a tagKey",
                "conf.host: has to be defined",
                "conf.port: has to be defined",
            ]),
            (&[("/conf/parameters/1/tagKey", json!("***"))], &[
                "conf.parameters[1].tagKey: must be a valid tag name",
            ]),
            (&[("/conf/parameters/1/name", json!("service")), ("/conf/host", json!("a.mesh"))], &[
                "conf.parameters[1].name: name is already used",
            ]),
            (&[("/conf/parameters/2/name", json!("***")), ("/conf/port", json!("80"))], &[
                "conf.parameters[2].name: must be a valid tag name if you are not setting tagKey",
                &format!("conf.parameters[2].name: {GO_KEY}"),
            ]),
        ]);
    }

    #[test]
    fn templates_must_give_a_host_and_a_port() {
        const FAILED: &str = "template pre evaluation failed with error";
        check(VIRTUAL_OUTBOUND, &valid(), &[
            (&[("/conf/host", json!("foo.{{mesh"))], &[&format!(
                r#"conf.host: {FAILED}="failed compiling gotemplate error=\"template: :1: function \\\"mesh\\\" not defined\"""#
            )]),
            (&[("/conf/host", json!("foo.{{.service"))], &[&format!(
                r#"conf.host: {FAILED}="failed compiling gotemplate error=\"template: :1: unclosed action\"""#
            )]),
            (&[("/conf/host", json!("{{.other}}.mesh"))], &[&format!(
                r#"conf.host: {FAILED}="evaluation of template with parameters didn't return a valid dns name result=\"<no value>.mesh\"""#
            )]),
            (&[("/conf/port", json!("{{.port}}a"))], &[&format!(
                r#"conf.port: {FAILED}="evaluation of template with parameters didn't evaluate to a parsable number result=\"1a\"""#
            )]),
            (&[("/conf/port", json!("{{.port}}00000"))], &[&format!(
                r#"conf.port: {FAILED}="evaluation of template returned a port outside of the range [1..65535] result=100000""#
            )]),
        ]);
        let more_of_go = json!("{{ if .v }}a{{ end }}.mesh");
        assert_valid(VIRTUAL_OUTBOUND, &with(&valid(), &[("/conf/host", more_of_go)]));
    }
}
