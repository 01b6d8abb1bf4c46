//! `portolan explain`.

use std::fmt::Write;

use clap::Args as ClapArgs;
use portolan_gateway::explain::{
    AdmissionTaken, Answer, BackendTaken, Explanation, ExternalTaken, PolicyTaken, TableTaken,
    Tried,
};

use super::{Output, client::Client, errors::Failure, print};

/// Says which route of a MeshGateway takes a request, and why no other does; or who gets a connection.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Examples:
  portolan explain --gateway edge --host foo.example.com --path /api/users?id=1
  portolan explain --gateway edge --host foo.example.com --path /api --method POST --header x-canary:1
  portolan explain --gateway edge --host foo.example.com --scheme https --path / --zone zone-1 -o json
  portolan explain --gateway edge --sni db.example.com --scheme tls
  portolan explain --gateway edge --port 5432")]
pub(crate) struct Args {
    /// The MeshGateway
    #[arg(long, short, value_name = "NAME")]
    gateway: String,

    /// The host that the request names, with or without port
    #[arg(long, default_value = "", required_unless_present_any = ["sni", "port"])]
    host: String,

    /// Path and query, as in the request line
    #[arg(long, default_value = "/")]
    path: String,

    /// The method
    #[arg(long, default_value = "GET")]
    method: String,

    /// A header of the request; may be repeated
    #[arg(long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,

    /// What the client speaks [default: whatever the port speaks]
    #[arg(long, value_parser = ["http", "https", "tls", "tcp"])]
    scheme: Option<String>,

    /// The name by which the client asks for a host in TLS [default: the host]
    #[arg(long)]
    sni: Option<String>,

    /// The port that the request comes to [default: the first whose listeners take the host]
    #[arg(long)]
    port: Option<u16>,

    /// Only what gateway instances of this zone do
    #[arg(long)]
    zone: Option<String>,

    /// The mesh
    #[arg(long, short, default_value = "default")]
    mesh: String,

    /// How to show it
    #[arg(short, long, default_value = "table")]
    output: Output,
}

/// Asks and shows.
pub(crate) async fn run(args: Args, client: &Client) -> Result<(), Failure> {
    let answer = client.get(&path(&args)).await?;
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(&answer).map_err(Failure::other)?,
        Output::Yaml => serde_norway::to_string(&answer).map_err(Failure::other)?,
        Output::Table | Output::Wide => {
            shown(&serde_json::from_value(answer).map_err(Failure::other)?)
        }
    };
    print(&text);
    Ok(())
}

fn path(args: &Args) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("host", &args.host);
    query.append_pair("path", &args.path);
    query.append_pair("method", &args.method);
    for header in &args.headers {
        query.append_pair("header", header);
    }
    if let Some(port) = args.port {
        query.append_pair("port", &port.to_string());
    }
    for (name, value) in [
        ("scheme", &args.scheme),
        ("sni", &args.sni),
        ("zone", &args.zone),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let (mesh, gateway) = (&args.mesh, &args.gateway);
    format!(
        "/meshes/{mesh}/meshgateways/{gateway}/_explain?{}",
        query.finish()
    )
}

/// The explanation for people.
fn shown(explanation: &Explanation) -> String {
    let mut text = String::new();
    for note in &explanation.notes {
        line(&mut text, 0, "note", note);
    }
    for answer in &explanation.answers {
        if !text.is_empty() {
            text.push('\n');
        }
        show(&mut text, answer);
    }
    if explanation.more_answers > 0 {
        let more = format!("{} more; choose one with --zone", explanation.more_answers);
        line(&mut text, 0, "zones", &more);
    }
    text
}

fn show(text: &mut String, answer: &Answer) {
    let zone = answer.zone.as_deref().unwrap_or("-");
    let tags: Vec<_> = answer
        .tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let instances = format!("{} with {}", answer.instances, tags.join(" "));
    line(text, 0, "zone", zone);
    line(text, 0, "instances", &instances);
    if let Some(listener) = &answer.listener {
        let shown = format!(
            "{} {} ({})",
            listener.name, listener.hostname, listener.chosen
        );
        line(text, 0, "listener", &shown);
        if let Some(sni) = &listener.sni {
            line(text, 1, "sni", sni);
        }
        if let Some(tls) = &listener.tls {
            let shown = format!("{} {}", tls.mode, tls.certificates.join(" "));
            line(text, 1, "tls", &shown);
        }
        policies(text, 1, &listener.policies);
    }
    if let Some(host) = &answer.host {
        line(
            text,
            0,
            "host",
            &format!("{}, {} routes", host.hostname, host.routes),
        );
        if let Some(table) = &host.table {
            line(text, 0, "table", &searched(table));
        }
    }
    if let Some(connection) = &answer.connection {
        line(text, 0, "routes", &connection.routes.join(" "));
        policies(text, 1, &connection.policies);
        for taken in &connection.backends {
            backend(text, taken);
        }
    }
    if !answer.tried.is_empty() {
        line(text, 0, "tried", "");
        for tried in &answer.tried {
            miss(text, tried);
        }
    }
    if answer.more_tried > 0 {
        let more = format!("{} more, most of them of other paths", answer.more_tried);
        line(text, 1, "", &more);
    }
    if let Some(route) = &answer.route {
        let place = &route.place;
        let taken = format!(
            "{}. {} rule {} match {}: {}",
            place.position, place.name, place.rule, place.r#match, place.conditions
        );
        line(text, 0, "route", &taken);
        for filter in &route.filters {
            line(text, 1, "filter", filter);
        }
        policies(text, 1, &route.policies);
        for taken in &route.backends {
            backend(text, taken);
        }
    }
    let outcome = &answer.outcome;
    let status = outcome
        .status
        .map(|status| format!("{status}: "))
        .unwrap_or_default();
    line(text, 0, "outcome", &format!("{status}{}", outcome.what));
    if let Some(location) = &outcome.location {
        line(text, 1, "location", location);
    }
    if let Some(body) = &outcome.body {
        line(text, 1, "body", body);
    }
}

/// What Envoy walks of a table.
fn searched(table: &TableTaken) -> String {
    match table {
        TableTaken::List => "list".to_owned(),
        TableTaken::Tree { leaf, routes } => {
            let leaf = match leaf {
                Some(key) => format!("leaf {key:?}"),
                None => "leaf of all other paths".to_owned(),
            };
            format!("tree, {leaf} ({routes} routes)")
        }
    }
}

fn miss(text: &mut String, tried: &Tried) {
    let place = &tried.place;
    let why = format!(
        "{}. {} rule {}: {}",
        place.position, place.name, place.rule, tried.why
    );
    line(text, 1, "", &why);
}

fn backend(text: &mut String, backend: &BackendTaken) {
    let tags: Vec<_> = backend
        .tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut endpoints = match backend.endpoints.as_slice() {
        [] if !backend.other_zones.is_empty() => "none in this zone".to_owned(),
        [] => "no endpoints".to_owned(),
        endpoints => endpoints.join(" "),
    };
    if backend.more_endpoints > 0 {
        let _ = write!(endpoints, " and {} more", backend.more_endpoints);
    }
    if backend.unhealthy > 0 {
        let _ = write!(endpoints, ", {} take no requests now", backend.unhealthy);
    }
    for other in &backend.other_zones {
        let when = match other.waits {
            true => ", when this zone has none",
            false => "",
        };
        let _ = write!(
            endpoints,
            "; zone {} at {} ({} there{when})",
            other.zone, other.address, other.instances
        );
    }
    line(
        text,
        1,
        "backend",
        &format!("{} {}%: {endpoints}", tags.join(" "), backend.percent),
    );
    policies(text, 2, &backend.policies);
    for one in &backend.admissions {
        admission(text, one);
    }
    for one in &backend.external {
        external(text, one);
    }
    if backend.more_external > 0 {
        line(text, 2, "", &format!("and {} more", backend.more_external));
    }
}

fn admission(text: &mut String, admission: &AdmissionTaken) {
    let mut endpoints = admission.endpoints.join(" ");
    if admission.more_endpoints > 0 {
        let _ = write!(endpoints, " and {} more", admission.more_endpoints);
    }
    line(
        text,
        2,
        "permission",
        &format!("{endpoints}: {}", admission.why),
    );
}

fn external(text: &mut String, external: &ExternalTaken) {
    let ExternalTaken {
        name, address, why, ..
    } = external;
    let tls = external.tls.as_ref();
    let tls = tls.map_or_else(String::new, |tls| format!(" in TLS, {tls}"));
    line(
        text,
        2,
        "external",
        &format!("{name} {address}{tls}; {why}"),
    );
    for broken in &external.broken {
        line(text, 3, "broken", broken);
    }
}

fn policies(text: &mut String, depth: usize, policies: &[PolicyTaken]) {
    for policy in policies {
        let shown = format!("{} {}: {}", policy.r#type, policy.name, policy.why);
        line(text, depth, "policy", &shown);
    }
}

/// One line: what it is about, in a column of its own, and what is to be said.
fn line(text: &mut String, depth: usize, name: &str, said: &str) {
    let indent = "  ".repeat(depth);
    let line = format!("{indent}{name:<11}{}", said.trim_end());
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_is_told_line_by_line() {
        let explanation = json!({
            "mesh": "default", "gateway": "edge", "target": "/api", "notes": ["something"],
            "answers": [{
                "zone": "east", "tags": {"kuma.io/service": "edge"}, "instances": 2,
                "listener": {"name": "edge:HTTP:8080", "port": 8080, "protocol": "HTTP", "hostname": "*", "chosen": "the gateway's only port"},
                "host": {"hostname": "foo.test", "routes": 99, "table": {"layout": "tree", "leaf": "/a", "routes": 3}},
                "tried": [{"position": 1, "name": "a", "rule": 0, "match": 0, "conditions": "EXACT /api, method POST",
                    "failed": "method", "why": "method POST is wanted, it is GET"}],
                "moreTried": 1,
                "route": {"position": 3, "name": "b", "rule": 1, "match": 0, "conditions": "PREFIX /api",
                    "filters": ["mirror 5% to copy"],
                    "policies": [{"type": "Retry", "name": "twice", "why": "from kuma.io/service=* to kuma.io/service=api"}],
                    "backends": [{"tags": {"kuma.io/service": "api"}, "cluster": "api-1", "weight": 1, "percent": 100.0,
                        "policies": [{"type": "Timeout", "name": "slow", "why": "from kuma.io/service=* to kuma.io/service=*"}],
                        "admissions": [
                            {"permitted": false, "why": "denied by TrafficPermission p", "endpoints": ["10.0.0.1:80"], "moreEndpoints": 3}],
                        "endpoints": ["10.0.0.1:80"], "unhealthy": 1}]},
                "outcome": {"what": "a backend answers; it gets path /api"},
            }],
        });
        let expected = "\
note       something

zone       east
instances  2 with kuma.io/service=edge
listener   edge:HTTP:8080 * (the gateway's only port)
host       foo.test, 99 routes
table      tree, leaf \"/a\" (3 routes)
tried
             1. a rule 0: method POST is wanted, it is GET
             1 more, most of them of other paths
route      3. b rule 1 match 0: PREFIX /api
  filter     mirror 5% to copy
  policy     Retry twice: from kuma.io/service=* to kuma.io/service=api
  backend    kuma.io/service=api 100%: 10.0.0.1:80, 1 take no requests now
    policy     Timeout slow: from kuma.io/service=* to kuma.io/service=*
    permission 10.0.0.1:80 and 3 more: denied by TrafficPermission p
outcome    a backend answers; it gets path /api
";
        assert_eq!(
            shown(&serde_json::from_value(explanation).unwrap()),
            expected
        );
    }

    #[test]
    fn a_connection_is_told_with_its_backends() {
        let explanation = json!({
            "mesh": "default", "gateway": "edge",
            "answers": [{
                "zone": "east", "tags": {"kuma.io/service": "edge"}, "instances": 1,
                "listener": {"name": "edge:TLS:9443", "port": 9443, "protocol": "TLS", "hostname": "*.test",
                    "chosen": "port 9443 was asked for", "sni": "db.test",
                    "tls": {"mode": "TERMINATE", "certificates": ["secret db", "inline"]}},
                "connection": {"routes": ["db"], "policies": [{"type": "Retry", "name": "r", "why": "from a to b"}],
                    "backends": [{"tags": {"kuma.io/service": "db"}, "cluster": "db-1",
                    "weight": 1, "percent": 100.0, "endpoints": ["10.0.0.1:5432"], "moreExternal": 1, "external": [
                        {"name": "db-1", "address": "10.0.0.1:5432", "tls": "asks for db.test", "permitted": true,
                            "why": "the mesh has no TrafficPermission"},
                        {"name": "db-2", "address": "10.0.0.2:5432", "permitted": true, "why": "the same",
                            "broken": ["networking.tls.caCert: missing"]}]}]},
                "tried": [], "outcome": {"what": "TLS ends here and its bytes go to a backend"},
            }],
        });
        let expected = "\
zone       east
instances  1 with kuma.io/service=edge
listener   edge:TLS:9443 *.test (port 9443 was asked for)
  sni        db.test
  tls        TERMINATE secret db inline
routes     db
  policy     Retry r: from a to b
  backend    kuma.io/service=db 100%: 10.0.0.1:5432
    external   db-1 10.0.0.1:5432 in TLS, asks for db.test; the mesh has no TrafficPermission
    external   db-2 10.0.0.2:5432; the same
      broken     networking.tls.caCert: missing
               and 1 more
outcome    TLS ends here and its bytes go to a backend
";
        assert_eq!(
            shown(&serde_json::from_value(explanation).unwrap()),
            expected
        );
    }

    #[test]
    fn a_table_is_told_by_what_of_it_is_searched() {
        for (table, expected) in [
            (json!({"layout": "list"}), "list"),
            (
                json!({"layout": "tree", "leaf": "/a/b", "routes": 31}),
                "tree, leaf \"/a/b\" (31 routes)",
            ),
            (
                json!({"layout": "tree", "routes": 0}),
                "tree, leaf of all other paths (0 routes)",
            ),
        ] {
            assert_eq!(searched(&serde_json::from_value(table).unwrap()), expected);
        }
    }
}
