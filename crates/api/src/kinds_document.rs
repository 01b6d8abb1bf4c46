//! `GET /_resources`: the registry of kinds.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::{Kind, Scope};
use serde_json::{Value, json};

use crate::{access, answer, call::Call, router::Shared};

/// All kinds that the caller may read, ordered by name.
pub(crate) async fn list(State(api): State<Shared>, call: Call) -> Response {
    let is_admin = call.caller.is_admin(api.localhost_is_admin);
    let mut kinds: Vec<Kind> = Kind::all()
        .filter(|kind| access::check(*kind, is_admin).is_ok())
        .collect();
    kinds.sort();
    let resources: Vec<Value> = kinds
        .into_iter()
        .map(|kind| {
            let singular = words(kind.name());
            json!({
                "name": kind.name(),
                "path": kind.plural,
                "scope": match kind.scope { Scope::Global => "Global", Scope::Mesh => "Mesh" },
                "shortName": kind.short,
                "singularDisplayName": singular,
                "pluralDisplayName": if singular.ends_with('h') { singular.clone() + "es" } else { singular.clone() + "s" },
                "readOnly": !api.role.owns(kind),
                "includeInFederation": kind.direction.to_zone(),
            })
        })
        .collect();
    answer::json(StatusCode::OK, &json!({ "resources": resources }))
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
