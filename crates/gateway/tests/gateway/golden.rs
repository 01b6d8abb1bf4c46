//! What comes out for what goes in, one idea each: `tests/golden/NAME.in.yaml` are resources beside a
//! gateway instance by name `gateway`, and `NAME.out.yaml` is its configuration.
//!
//! An input that has no Dataplane of that name, or no MeshGateway, gets the usual ones. Words such as
//! `(secret with rsa)` stand for certificates.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portolan-gateway golden` writes what comes out now; look at the
//! difference before committing it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use portolan_gateway::Compiled;
use serde_norway::{Mapping, Value};

use crate::{
    certificates::spelled_out,
    descriptors::readable,
    support::{compile, resources},
};

/// The usual gateway instance.
const INSTANCE: &str = "
type: Dataplane
name: gateway
networking:
  address: 10.0.0.9
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
";

/// The usual MeshGateway.
const GATEWAY: &str = "
type: MeshGateway
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8080, protocol: HTTP}]}
";

/// The configuration of every case, by its name.
pub(crate) fn cases() -> Vec<(String, Arc<Compiled>)> {
    let inputs = inputs().into_iter();
    inputs
        .map(|(name, input)| (name, compile(&input)))
        .collect()
}

/// The resources of every case, by its name.
pub(crate) fn inputs() -> Vec<(String, String)> {
    let inputs = fs::read_dir(folder()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".in.yaml").map(str::to_owned)
    });
    let mut names: Vec<_> = inputs.collect();
    names.sort();
    let read = |name: String| {
        let input = fs::read_to_string(folder().join(format!("{name}.in.yaml"))).unwrap();
        (name, with_usual(&spelled_out(&input)))
    };
    names.into_iter().map(read).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub(crate) fn with_usual(input: &str) -> String {
    let given = resources(input);
    let mut all = input.to_owned();
    if !given.iter().any(|given| &*given.key.name == "gateway") {
        all = format!("{INSTANCE}---\n{all}");
    }
    if !given
        .iter()
        .any(|given| given.key.kind.name() == "MeshGateway")
    {
        all = format!("{GATEWAY}---\n{all}");
    }
    all
}

#[test]
fn golden() {
    let cases = cases();
    assert!(cases.len() > 80);
    let differences = cases
        .iter()
        .filter_map(|(name, compiled)| difference(name, compiled));
    let differences: Vec<_> = differences.collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The first line that is not as it should be.
fn difference(name: &str, compiled: &Compiled) -> Option<String> {
    let output = serde_norway::to_string(&configuration(compiled)).unwrap();
    let golden = folder().join(format!("{name}.out.yaml"));
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

fn configuration(compiled: &Compiled) -> Value {
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
