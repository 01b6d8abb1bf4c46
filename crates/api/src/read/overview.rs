//! A resource and its insight as one, such as DataplaneOverview.

use bytes::Bytes;
use portolan_model::{Kind, Resource, ResourceKey, SpecError, json};
use portolan_store::Snapshot;
use serde_json::{Map, Value};

/// The kind of the insights about a kind, by Kuma's rule for their names.
pub(crate) fn insight_of(kind: Kind) -> Option<Kind> {
    Kind::by_name(&format!("{kind}Insight"))
}

/// Meta of the resource, then its spec and that of its insight, each under the name of its kind.
///
/// # Errors
/// When a stored spec is not readable.
pub(super) fn to_json(
    snapshot: &Snapshot,
    resource: &Resource,
    insight: Kind,
) -> Result<Value, SpecError> {
    let kind = resource.key.kind;
    let without_spec = Resource {
        spec: Bytes::new(),
        ..resource.clone()
    };
    let Value::Object(mut overview) = json::to_json(&without_spec)? else {
        return Ok(Value::Object(Map::new()));
    };
    overview.insert("type".to_owned(), format!("{kind}Overview").into());
    overview.insert(field(kind), kind.spec_to_json(&resource.spec)?);
    let key = ResourceKey {
        kind: insight,
        ..resource.key.clone()
    };
    if let Some(found) = snapshot.get(&key) {
        overview.insert(field(insight), insight.spec_to_json(&found.spec)?);
    }
    Ok(Value::Object(overview))
}

/// `DataplaneInsight` as `dataplaneInsight`.
fn field(kind: Kind) -> String {
    let (first, rest) = kind.name().split_at(1);
    first.to_ascii_lowercase() + rest
}
