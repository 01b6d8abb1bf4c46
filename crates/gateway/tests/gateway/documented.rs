//! The examples in `docs/policies` are resources that can be written, and do what they should.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use portolan_gateway::Compiled;

use crate::{
    certificates::RSA,
    golden::with_usual,
    support::{compile, resources},
};

/// The configuration of each example, by page and position in it.
pub(crate) fn cases() -> Vec<(String, Arc<Compiled>)> {
    let examples = examples().into_iter();
    let compiled = examples.map(|(name, yaml)| {
        let secrets = named_secrets(&yaml);
        (name, compile(&with_usual(&(yaml + &secrets))))
    });
    compiled.collect()
}

/// The Secrets that an example names, each with a certificate and its key, which no page shows.
fn named_secrets(yaml: &str) -> String {
    let named = yaml.split("secret: ").skip(1);
    let names: BTreeSet<_> = named
        .filter_map(|rest| rest.split([' ', '\n', '}']).next())
        .collect();
    names.into_iter().map(|name| RSA.secret(name)).collect()
}

/// All blocks of YAML.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies");
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        let blocks = page.split("```yaml\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("```").next().unwrap().to_owned());
        let named = blocks.enumerate();
        examples.extend(named.map(|(position, yaml)| (format!("{name} {position}"), yaml)));
    }
    examples
}

#[test]
fn every_example_can_be_written_and_compiles_without_faults() {
    let examples = examples();
    assert!(!examples.is_empty());
    for (name, yaml) in examples {
        for resource in resources(&yaml) {
            let violations = (resource.key.kind.validate)(&resource.spec);
            assert!(violations.is_empty(), "{name}: {violations}");
        }
    }
    for (name, compiled) in cases() {
        assert!(compiled.faults.is_empty(), "{name}: {:?}", compiled.faults);
    }
}
