//! The table of policies in the README is that of the registry.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use portolan_gateway::support::{Level, SUPPORT};
use portolan_model::{Kind, kinds};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

/// `TrafficLog` as `traffic-log`.
fn page(kind: Kind) -> String {
    let mut page = String::new();
    for letter in kind.name().chars() {
        if letter.is_ascii_uppercase() && !page.is_empty() {
            page.push('-');
        }
        page.push(letter.to_ascii_lowercase());
    }
    page
}

fn table() -> String {
    let mut table = "| policy | support | acts on |\n|---|---|---|\n".to_owned();
    for one in SUPPORT {
        let name = match one.level {
            Level::None => one.kind.name().to_owned(),
            _ => format!("[{}](docs/policies/{}.md)", one.kind.name(), page(one.kind)),
        };
        let _ = writeln!(table, "| {name} | {} | {} |", one.level.word(), one.acts_on);
    }
    table
}

#[test]
fn the_readme_has_the_table() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(
        readme.contains(&table()),
        "README.md should have:\n{}",
        table()
    );
}

#[test]
fn what_gateways_use_has_a_page() {
    let used = SUPPORT.iter().filter(|one| one.level != Level::None);
    let missing: Vec<_> = used
        .map(|one| format!("docs/policies/{}.md", page(one.kind)))
        .filter(|page| !repository().join(page).is_file())
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_policy_is_in_the_table() {
    let told: BTreeSet<_> = SUPPORT.iter().map(|one| one.kind.name()).collect();
    let policies = Kind::all().filter(|kind| kind.policy && *kind != kinds::MESH_GATEWAY_ROUTE);
    let missing: Vec<_> = policies
        .map(Kind::name)
        .filter(|name| !told.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
