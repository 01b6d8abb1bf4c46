//! The configuration of a policy in a few words.

use serde_json::Value;

/// Most settings of a policy that a narrow table shows.
const MOST_SETTINGS: usize = 3;

/// What a policy sets, as `http.requestTimeout=5s`: the first few unless the table is wide.
pub(super) fn settings(conf: &Value, wide: bool) -> String {
    let mut all = Vec::new();
    leaves(conf, "", &mut all);
    let more = all.len().saturating_sub(MOST_SETTINGS);
    if !wide && more > 0 {
        all.truncate(MOST_SETTINGS);
        all.push(format!("and {more} more"));
    }
    all.join(" ")
}

fn leaves(value: &Value, path: &str, all: &mut Vec<String>) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields
                .iter()
                .for_each(|(name, value)| leaves(value, &below(name), all));
        }
        // What is on with all its defaults.
        Value::Object(_) if !path.is_empty() => all.push(path.to_owned()),
        Value::Null | Value::Object(_) => {}
        Value::String(text) => all.push(format!("{path}={text}")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            all.push(format!("{path}={}", texts.join(",")));
        }
        other => all.push(format!("{path}={other}")),
    }
}
