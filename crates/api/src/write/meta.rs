//! What a document says about its resource beside the spec.

use portolan_model::Labels;
use serde_json::{Map, Value};

/// The fields that are not spec. What the control plane keeps itself (times, KRI) is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// `type`: name of the kind.
    pub(crate) kind: String,
    /// `mesh`, empty for global-scoped kinds.
    pub(crate) mesh: String,
    /// `name`.
    pub(crate) name: String,
    /// `labels` as their author wrote them.
    pub(crate) labels: Labels,
}

/// A document as its meta and the JSON of its spec.
///
/// # Errors
/// What has the wrong JSON type, in Go's words.
pub(crate) fn split(document: Value) -> Result<(Meta, Value), String> {
    let mut object = match document {
        Value::Object(object) => object,
        Value::Null => Map::new(),
        other => {
            let found = go_type(&other);
            return Err(format!(
                "json: cannot unmarshal {found} into Go value of type v1alpha1.ResourceMeta"
            ));
        }
    };
    let meta = Meta {
        kind: text(&mut object, "type")?,
        mesh: text(&mut object, "mesh")?,
        name: text(&mut object, "name")?,
        labels: labels(&mut object)?,
    };
    for kept_by_us in ["creationTime", "modificationTime", "kri"] {
        object.remove(kept_by_us);
    }
    Ok((meta, Value::Object(object)))
}

fn text(object: &mut Map<String, Value>, field: &str) -> Result<String, String> {
    match object.remove(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(misfit(&other, field, "string")),
    }
}

fn labels(object: &mut Map<String, Value>) -> Result<Labels, String> {
    match object.remove("labels") {
        None | Some(Value::Null) => Ok(Labels::new()),
        Some(Value::Object(labels)) => labels
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(value) => Ok((name, value)),
                Value::Null => Ok((name, String::new())),
                other => Err(misfit(&other, "labels", "string")),
            })
            .collect(),
        Some(other) => Err(misfit(&other, "labels", "map[string]string")),
    }
}

fn misfit(found: &Value, field: &str, expected: &str) -> String {
    let found = go_type(found);
    format!(
        "json: cannot unmarshal {found} into Go struct field ResourceMeta.{field} of type {expected}"
    )
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn meta_and_spec_part() {
        let document = json!({
            "type": "Mesh", "name": "m", "mesh": null, "kri": "x", "creationTime": "0001-01-01T00:00:00Z",
            "labels": {"team": "a", "none": null}, "mtls": {},
        });
        let (meta, spec) = split(document).unwrap();
        let labels = [("none", ""), ("team", "a")].map(|(name, value)| (name.into(), value.into()));
        let expected = Meta {
            kind: "Mesh".into(),
            mesh: "".into(),
            name: "m".into(),
            labels: labels.into(),
        };
        assert_eq!((meta, spec), (expected, json!({"mtls": {}})));
        assert_eq!(split(json!(null)).unwrap(), (Meta::default(), json!({})));
    }

    #[test]
    fn wrong_types_are_told_in_gos_words() {
        let cases = [
            (
                json!([]),
                "array into Go value of type v1alpha1.ResourceMeta",
            ),
            (
                json!("x"),
                "string into Go value of type v1alpha1.ResourceMeta",
            ),
            (
                json!({"name": 1}),
                "number into Go struct field ResourceMeta.name of type string",
            ),
            (
                json!({"type": {}}),
                "object into Go struct field ResourceMeta.type of type string",
            ),
            (
                json!({"labels": {"a": true}}),
                "bool into Go struct field ResourceMeta.labels of type string",
            ),
            (
                json!({"labels": []}),
                "array into Go struct field ResourceMeta.labels of type map[string]string",
            ),
        ];
        for (document, reason) in cases {
            assert_eq!(
                split(document).unwrap_err(),
                format!("json: cannot unmarshal {reason}")
            );
        }
    }
}
