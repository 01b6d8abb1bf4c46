//! A resource as REST shows it: meta fields first, then the spec.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{kind::SpecError, labels, resource::Resource};

/// The resource as JSON, its fields in the order in which Kuma writes them.
///
/// # Errors
/// When the stored spec is not readable, which means that it was written by something else.
pub fn to_json(resource: &Resource) -> Result<Value, SpecError> {
    let mut json = meta_to_json(resource);
    if let Value::Object(spec) = resource.key.kind.spec_to_json(&resource.spec)? {
        json.extend(spec);
    }
    Ok(json.into())
}

/// The meta fields alone.
pub fn meta_to_json(resource: &Resource) -> Map<String, Value> {
    let key = &resource.key;
    let mut json = Map::new();
    json.insert("type".to_owned(), key.kind.name().into());
    if !key.mesh.is_empty() {
        json.insert("mesh".to_owned(), (*key.mesh).into());
    }
    json.insert("name".to_owned(), (*key.name).into());
    json.insert("creationTime".to_owned(), rfc3339(resource.created).into());
    json.insert(
        "modificationTime".to_owned(),
        rfc3339(resource.modified).into(),
    );
    if !resource.labels.is_empty() {
        let labels = resource.labels.iter();
        let labels: Map<_, _> = labels
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        json.insert("labels".to_owned(), labels.into());
    }
    if let Some(kri) = kri(resource) {
        json.insert("kri".to_owned(), kri.into());
    }
    json
}

/// Writes whole numbers without a fraction, 50 and not 50.0, as they were written and as Kuma does.
pub fn shorten_numbers(value: &mut Value) {
    /// Beyond it not every whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(whole) = whole {
                #[allow(clippy::cast_possible_truncation)]
                let whole = whole as i64;
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_numbers),
        Value::Object(fields) => fields.values_mut().for_each(shorten_numbers),
        _ => {}
    }
}

/// The same without fields that are null; nothing if it has none.
pub(crate) fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let mut changed = fields.clone();
            changed.retain(|_, value| !value.is_null());
            let mut differs = changed.len() < fields.len();
            for value in changed.values_mut() {
                if let Some(given) = without_nulls(value) {
                    *value = given;
                    differs = true;
                }
            }
            differs.then(|| changed.into())
        }
        Value::Array(items) => {
            let changed: Vec<_> = items.iter().map(without_nulls).collect();
            let differs = changed.iter().any(Option::is_some);
            let items = items.iter().zip(changed);
            let items = items.map(|(before, after)| after.unwrap_or_else(|| before.clone()));
            differs.then(|| items.collect())
        }
        _ => None,
    }
}

/// Kuma's resource identifier, `kri_SHORT_MESH_ZONE_NAMESPACE_NAME_SECTION`, for kinds that have a short
/// name. The zone is empty for what was written on the global.
pub fn kri(resource: &Resource) -> Option<String> {
    let key = &resource.key;
    if key.kind.short.is_empty() {
        return None;
    }
    let label = |name: &str| {
        resource
            .labels
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let zone = label(labels::ZONE);
    let namespace = label("k8s.kuma.io/namespace");
    let name = resource.display_name();
    Some(format!(
        "kri_{}_{}_{zone}_{namespace}_{name}_",
        key.kind.short, key.mesh
    ))
}

/// As Go prints times: nanoseconds without trailing zeros.
fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{shorten_numbers, without_nulls};

    #[test]
    fn fields_that_are_null_go() {
        let given = json!({ "a": null, "b": [{ "c": null, "d": 1 }, null], "e": { "f": {} } });
        let expected = json!({ "b": [{ "d": 1 }, null], "e": { "f": {} } });
        assert_eq!(without_nulls(&given), Some(expected.clone()));
        assert_eq!(without_nulls(&expected), None);
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        let mut value = json!({ "a": [50.0, 0.5, -3.0, 7, 1e300], "b": { "c": 0.0, "d": "1.0" } });
        shorten_numbers(&mut value);
        let short = json!({ "a": [50, 0.5, -3, 7, 1e300], "b": { "c": 0, "d": "1.0" } });
        assert_eq!(value, short);
    }
}
