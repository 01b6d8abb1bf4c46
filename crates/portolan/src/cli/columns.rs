//! What tables of a kind show beside names and ages.

use std::collections::BTreeSet;

use portolan_model::Kind;
use serde_json::Value;

use super::{scaled, settings::settings};

/// The headings of a kind's own columns.
pub(super) fn headings(kind: Kind) -> &'static [&'static str] {
    match kind.name() {
        "Mesh" => &["MTLS"],
        "Dataplane" => &["STATUS", "TAGS", "ADDRESS"],
        "Zone" => &["STATUS"],
        "MeshGateway" => &["LISTENERS"],
        "MeshGatewayRoute" => &["HOSTNAMES", "RULES"],
        "MeshGatewayInstance" => &scaled::COLUMNS,
        "ExternalService" => &["TAGS", "ADDRESS", "TLS"],
        "TrafficPermission" => &["SOURCES", "DESTINATIONS"],
        "TrafficLog" => &["SOURCES", "DESTINATIONS", "BACKEND"],
        "TrafficTrace" => &["SELECTORS", "BACKEND"],
        "ProxyTemplate" => &["SELECTORS", "RESOURCES", "MODIFICATIONS"],
        "VirtualOutbound" => &["SELECTORS", "CONF"],
        _ if kind.policy => &["SOURCES", "DESTINATIONS", "CONF"],
        _ => &[],
    }
}

/// What stands below them for one resource.
pub(super) fn of(kind: Kind, item: &Value, wide: bool) -> Vec<String> {
    let conf = &item["conf"];
    let ends = || {
        [
            selectors(&item["sources"]),
            selectors(&item["destinations"]),
        ]
    };
    let selected = || selectors(&item["selectors"]);
    match kind.name() {
        "Mesh" => vec![mtls(&item["mtls"])],
        "Dataplane" => {
            let networking = &item["dataplane"]["networking"];
            vec![
                status(&item["dataplaneInsight"]).to_owned(),
                tags(networking),
                text(&networking["address"]),
            ]
        }
        "Zone" => vec![status(&item["zoneInsight"]).to_owned()],
        "MeshGateway" => vec![listeners(&conf["listeners"])],
        "MeshGatewayRoute" => {
            let hostnames = each(&conf["http"]["hostnames"]).map(text);
            let rules = each(&conf["http"]["rules"]).chain(each(&conf["tcp"]["rules"]));
            vec![joined(hostnames), rules.count().to_string()]
        }
        "MeshGatewayInstance" => scaled::columns(item),
        "ExternalService" => {
            let networking = &item["networking"];
            let tags = pairs(&item["tags"]);
            vec![
                tags.join(" "),
                text(&networking["address"]),
                tls(&networking["tls"]),
            ]
        }
        "TrafficPermission" => ends().to_vec(),
        "TrafficLog" => [&ends()[..], &[backend(conf)]].concat(),
        "TrafficTrace" => vec![selected(), backend(conf)],
        "ProxyTemplate" => {
            let count = |list: &str| each(&conf[list]).count().to_string();
            vec![selected(), count("resources"), count("modifications")]
        }
        "VirtualOutbound" => vec![selected(), settings(conf, wide)],
        _ if kind.policy => [&ends()[..], &[settings(conf, wide)]].concat(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(" ")
}

fn listeners(listeners: &Value) -> String {
    let listener = |listener: &Value| {
        let text = |field: &str| listener[field].as_str().unwrap_or("*").to_owned();
        let (protocol, hostname) = (text("protocol"), text("hostname"));
        format!("{protocol}:{hostname}:{}", listener["port"])
    };
    joined(each(listeners).map(listener))
}

/// Tags as `NAME=VALUE`.
fn pairs(tags: &Value) -> Vec<String> {
    let tags = tags.as_object().into_iter().flatten();
    let pair = |(name, value): (&String, &Value)| format!("{name}={}", text(value));
    tags.map(pair).collect()
}

/// Each selector with commas between its tags.
fn selectors(selectors: &Value) -> String {
    joined(each(selectors).map(|selector| pairs(&selector["match"]).join(",")))
}

/// The backend that a policy names.
fn backend(conf: &Value) -> String {
    conf["backend"].as_str().unwrap_or("(default)").to_owned()
}

/// Name and type of the authority that is enabled.
fn mtls(mtls: &Value) -> String {
    let Some(enabled) = mtls["enabledBackend"]
        .as_str()
        .filter(|name| !name.is_empty())
    else {
        return "off".to_owned();
    };
    let of_type = each(&mtls["backends"]).find(|backend| backend["name"] == enabled);
    let of_type = of_type
        .map(|backend| text(&backend["type"]))
        .unwrap_or_default();
    format!("{of_type}/{enabled}")
}

/// Whether an external service speaks TLS, and whether its certificate is checked.
fn tls(tls: &Value) -> String {
    let told = match (tls["enabled"].as_bool(), tls["caCert"].is_null()) {
        (Some(true), false) => "checked",
        (Some(true), true) => "unchecked",
        _ => "off",
    };
    told.to_owned()
}

/// Online is who has connected and not disconnected since.
fn status(insight: &Value) -> &'static str {
    let last = insight["subscriptions"]
        .as_array()
        .and_then(|all| all.last());
    let online = last.is_some_and(|subscription| {
        !subscription["connectTime"].is_null() && subscription["disconnectTime"].is_null()
    });
    if online { "Online" } else { "Offline" }
}

/// All tags of a Dataplane once, as `NAME=VALUE`.
fn tags(networking: &Value) -> String {
    let inbounds = each(&networking["inbound"]).map(|inbound| &inbound["tags"]);
    let tags = inbounds.chain([&networking["gateway"]["tags"]]);
    let tags: BTreeSet<_> = tags.flat_map(pairs).collect();
    joined(tags.into_iter())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn row(kind: &str, wide: bool, item: &Value) -> Vec<String> {
        of(Kind::by_name(kind).unwrap(), item, wide)
    }

    fn policy(conf: &Value) -> Value {
        let selector = |tags: Value| json!([{ "match": tags }, { "match": { "a": "b" } }]);
        json!({
            "sources": selector(json!({ "kuma.io/service": "edge", "version": "1" })),
            "destinations": selector(json!({ "kuma.io/service": "*" })),
            "selectors": selector(json!({ "kuma.io/service": "edge" })),
            "conf": conf,
        })
    }

    #[test]
    fn policies_tell_whom_they_are_for_and_what_they_set() {
        let conf = json!({
            "connectTimeout": "2s",
            "detectors": { "totalErrors": {} },
            "http": { "requestTimeout": "20s", "retryOn": ["a", "b"] },
        });
        let (sources, destinations) = (
            "kuma.io/service=edge,version=1 a=b",
            "kuma.io/service=* a=b",
        );
        let timeout = row("Timeout", false, &policy(&conf));
        let first = "connectTimeout=2s detectors.totalErrors http.requestTimeout=20s";
        assert_eq!(
            timeout,
            [sources, destinations, &format!("{first} and 1 more")]
        );
        let wide = row("Timeout", true, &policy(&conf));
        assert_eq!(wide[2], format!("{first} http.retryOn=a,b"));

        let permission = row("TrafficPermission", false, &policy(&json!(null)));
        assert_eq!(permission, [sources, destinations]);
        let log = row("TrafficLog", false, &policy(&json!({ "backend": "file" })));
        assert_eq!(log, [sources, destinations, "file"]);
        let trace = row("TrafficTrace", false, &policy(&json!({})));
        assert_eq!(trace, ["kuma.io/service=edge a=b", "(default)"]);
        let template = row(
            "ProxyTemplate",
            false,
            &policy(&json!({ "modifications": [{}, {}] })),
        );
        assert_eq!(template, ["kuma.io/service=edge a=b", "0", "2"]);
    }

    #[test]
    fn meshes_and_external_services_tell_how_they_are_guarded() {
        let mesh = json!({ "mtls": {
            "enabledBackend": "ca-2",
            "backends": [{ "name": "ca-1", "type": "builtin" }, { "name": "ca-2", "type": "provided" }],
        } });
        assert_eq!(row("Mesh", false, &mesh), ["provided/ca-2"]);
        assert_eq!(row("Mesh", false, &json!({})), ["off"]);
        let mut service = json!({
            "tags": { "kuma.io/service": "bank" },
            "networking": { "address": "a.test:443", "tls": { "enabled": true } },
        });
        let unchecked = ["kuma.io/service=bank", "a.test:443", "unchecked"];
        assert_eq!(row("ExternalService", false, &service), unchecked);
        service["networking"]["tls"]["caCert"] = json!({ "secret": "ca" });
        assert_eq!(row("ExternalService", false, &service)[2], "checked");
    }

    #[test]
    fn each_heading_has_its_column() {
        for kind in Kind::all().filter(|kind| kind.name() != "MeshGatewayInstance") {
            let columns = row(kind.name(), false, &json!({}));
            assert_eq!(columns.len(), headings(kind).len(), "{kind}");
        }
    }
}
