//! `GET /_resources` and `GET /policies`: the registry of kinds.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::{Direction, Kind, Scope};
use serde_json::{Value, json};

use crate::{access, answer, call::Call, router::Shared};

/// All kinds that the caller may read, ordered by name.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Response {
    let resources: Vec<Value> = ordered(|kind| access::check(kind, &call.user).is_ok())
        .into_iter()
        .map(|kind| {
            let names = Names::of(kind);
            let mut resource = json!({
                "name": kind.name(),
                "path": kind.plural,
                "scope": match kind.scope { Scope::Global => "Global", Scope::Mesh => "Mesh" },
                "shortName": kind.short,
                "singularDisplayName": names.singular,
                "pluralDisplayName": names.plural,
                "readOnly": !api.role.owns(kind),
                // What zones wrote they write again; of a kind of our own Kuma would not know what to do.
                "includeInFederation": kind.direction.to_zone()
                    && kind.direction != Direction::AcrossZones
                    && !kind.is_own(),
            });
            if kind.policy {
                // Policies that select by tags have none of what these tell.
                resource["policy"] = json!({
                    "isTargetRef": false,
                    "hasToTargetRef": false,
                    "hasFromTargetRef": false,
                    "hasRulesTargetRef": false,
                    "isFromAsRules": false,
                });
            }
            resource
        })
        .collect();
    answer::json(StatusCode::OK, &json!({ "resources": resources }))
}

/// The policies among them.
pub(crate) async fn policies(State(api): State<Shared>) -> Response {
    let policies: Vec<Value> = ordered(|kind| kind.policy)
        .into_iter()
        .map(|kind| {
            let names = Names::of(kind);
            json!({
                "name": kind.name(),
                "readOnly": !api.role.owns(kind),
                "path": kind.plural,
                "singularDisplayName": names.singular,
                "pluralDisplayName": names.plural,
                "isExperimental": false,
                "isTargetRefBased": false,
                "isInbound": false,
                "isOutbound": false,
            })
        })
        .collect();
    answer::json(StatusCode::OK, &json!({ "policies": policies }))
}

fn ordered(wanted: impl Fn(Kind) -> bool) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Kind::all().filter(|kind| wanted(*kind)).collect();
    kinds.sort();
    kinds
}

/// What people call a kind.
struct Names {
    singular: String,
    plural: String,
}

impl Names {
    fn of(kind: Kind) -> Self {
        let singular = words(kind.name());
        let plural = match singular.strip_suffix("ry") {
            Some(stem) => format!("{stem}ries"),
            None if singular.ends_with(['h', 's']) => format!("{singular}es"),
            None => format!("{singular}s"),
        };
        Self { singular, plural }
    }
}

/// `MeshGatewayRoute` as `Mesh Gateway Route`.
fn words(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, letter| {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter);
        words
    })
}
