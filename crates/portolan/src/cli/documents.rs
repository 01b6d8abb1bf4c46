//! Resources in files: YAML documents or JSON, from files, folders or standard input.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::errors::Failure;

/// A resource and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// `FILE`, or `FILE (document 2)` where there are several.
    pub(crate) place: String,
    /// The resource.
    pub(crate) resource: Value,
}

/// Reads files, all files of folders in the order of their names, or standard input for `-`.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in paths {
        for file in files(path)? {
            let text = text(&file)?;
            documents.extend(split(&file.display().to_string(), &text)?);
        }
    }
    if documents.is_empty() {
        return Err(Failure::Refused(
            "no resources in what was given".to_owned(),
        ));
    }
    Ok(documents)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error| Failure::Other(format!("cannot read {}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn text(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::Other(format!("cannot read {}: {error}", path.display()));
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(failed)
}

fn split(file: &str, text: &str) -> Result<Vec<Document>, Failure> {
    let mut resources = Vec::new();
    for (position, document) in serde_norway::Deserializer::from_str(text).enumerate() {
        let value = Value::deserialize(document).map_err(|error| {
            Failure::Refused(format!("{file} (document {}): {error}", position + 1))
        })?;
        match value {
            Value::Null => {}
            Value::Array(several) => resources.extend(several),
            one => resources.push(one),
        }
    }
    let several = resources.len() > 1;
    let documents = resources
        .into_iter()
        .enumerate()
        .map(|(position, resource)| {
            let place = if several {
                format!("{file} (document {})", position + 1)
            } else {
                file.to_owned()
            };
            Document { place, resource }
        });
    Ok(documents.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn splits_yaml_and_json() {
        let documents = split("f", "type: A\n---\n# empty\n---\ntype: B\n").unwrap();
        let expected = [
            ("f (document 1)", json!({"type": "A"})),
            ("f (document 2)", json!({"type": "B"})),
        ];
        for (document, (place, resource)) in documents.iter().zip(expected) {
            assert_eq!(
                (document.place.as_str(), &document.resource),
                (place, &resource)
            );
        }
        assert_eq!(
            split("f", r#"[{"type": "A"}, {"type": "B"}]"#)
                .unwrap()
                .len(),
            2
        );
        assert_eq!(split("f", r#"{"type": "A"}"#).unwrap()[0].place, "f");
        assert!(
            split("f", "a: [")
                .unwrap_err()
                .to_string()
                .contains("document 1")
        );
    }
}
