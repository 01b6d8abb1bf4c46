//! What comes out for what goes in, one idea a folder: `tests/golden/NAME/in.yaml` are resources, with a
//! gateway instance by name `gateway`; `out.yaml` is its configuration.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portolan-gateway golden` writes what comes out now; look at the
//! difference before committing it.

use std::{env, fs, path::Path};

use serde_norway::{Mapping, Value};

use crate::{descriptors::readable, support::compile};

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let differences: Vec<_> = cases.iter().filter_map(|case| difference(case)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The first line that is not as it should be.
fn difference(case: &Path) -> Option<String> {
    let input = fs::read_to_string(case.join("in.yaml")).unwrap();
    let output = serde_norway::to_string(&configuration(&input)).unwrap();
    let golden = case.join("out.yaml");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &output).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if expected == output {
        return None;
    }
    let line = expected
        .lines()
        .zip(output.lines())
        .position(|(left, right)| left != right);
    let line = line.unwrap_or_else(|| expected.lines().count().min(output.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    let (is, should) = (at(&output), at(&expected));
    Some(format!(
        "{}:{}: {is:?} instead of {should:?}",
        golden.display(),
        line + 1
    ))
}

fn configuration(input: &str) -> Value {
    let compiled = compile(input);
    let mut types = Mapping::new();
    for (type_url, resources) in &compiled.resources {
        let mut messages = Mapping::new();
        for (name, resource) in &**resources {
            messages.insert((&**name).into(), readable(type_url, &resource.body));
        }
        types.insert((*type_url).into(), messages.into());
    }
    if !compiled.faults.is_empty() {
        let faults = compiled
            .faults
            .iter()
            .map(|fault| Value::from(fault.to_string()));
        types.insert("faults".into(), faults.collect());
    }
    types.into()
}
