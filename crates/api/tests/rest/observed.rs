//! Requests and the answers that Kuma 2.14.3 gave to them (and Portolan's own where it differs), told in
//! `cases/*.txt`. The cases of a file are sent one after the other to one API.
//!
//! ```text
//! PUT /path   # comment
//! body
//! => 200 {"json": "in full; the text * takes any text"}
//! => 404 text 404: Page Not Found
//! => 400 Title: detail; … at the end takes any ending
//!    field: reason
//! ```
//!
//! `SEED` instead of a request writes a resource past the API. The first line names the role.

use std::fs;

use crate::support::{Answer, Served, serve_with, zone};
use portolan_api::{Api, Role};
use serde_json::{Value, json};

#[tokio::test]
async fn a_global_answers_as_observed() {
    run("global.txt").await;
}

#[tokio::test]
async fn a_zone_answers_as_observed() {
    run("zone.txt").await;
}

#[tokio::test]
async fn a_global_refuses_gateways_and_routes_as_observed() {
    run("refused-by-global.txt").await;
}

#[tokio::test]
async fn a_zone_refuses_dataplanes_as_observed() {
    run("refused-by-zone.txt").await;
}

#[tokio::test]
async fn applies_of_many_resources() {
    run("apply.txt").await;
}

#[tokio::test]
async fn a_global_keeps_policies() {
    run("policies.txt").await;
}

#[tokio::test]
async fn insights_and_overviews() {
    run("insights.txt").await;
}

/// One request and what is expected of the answer.
struct Case<'a> {
    line: usize,
    method: &'a str,
    path: &'a str,
    body: String,
    status: u16,
    expected: &'a str,
    violations: Vec<(&'a str, &'a str)>,
}

async fn run(file: &str) {
    let path = format!("{}/tests/rest/cases/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let (role, rest) = text.split_once('\n').unwrap();
    let role = match role.split_once(' ').unwrap().1.split_once(' ') {
        None => Role::Global,
        Some((_, name)) => zone(name),
    };
    // Lint is ours alone; its warnings are told in `gateways.rs`.
    let served = serve_with(|api| Api {
        role,
        lint_writes: false,
        ..api
    })
    .await;
    let mut line = 2;
    for block in rest.split("\n\n") {
        let begin = line + block.len() - block.trim_start().len();
        line += block.matches('\n').count() + 2;
        if let Some(resource) = block.trim().strip_prefix("SEED ") {
            served.seed(&serde_json::from_str(resource).unwrap()).await;
        } else if !block.trim().is_empty() {
            check(file, &served, parse(begin, block.trim())).await;
        }
    }
}

fn parse(line: usize, block: &str) -> Case<'_> {
    let (request, answer) = block
        .split_once("\n=> ")
        .unwrap_or_else(|| panic!("line {line}"));
    let (head, body) = request.split_once('\n').unwrap_or((request, ""));
    let head = head.split("   # ").next().unwrap();
    let (method, path) = head.trim().split_once(' ').unwrap();
    let (expected, violations) = match answer.split_once("\n   ") {
        Some((first, rest)) if !first.contains('{') => {
            let lines = rest.split("\n   ");
            (
                first,
                lines.map(|line| line.split_once(": ").unwrap()).collect(),
            )
        }
        _ => (answer, Vec::new()),
    };
    let (status, expected) = expected.split_once([' ', '\n']).unwrap();
    let status = status.parse().unwrap();
    Case {
        line,
        method,
        path,
        body: body.to_owned(),
        status,
        expected,
        violations,
    }
}

async fn check(file: &str, served: &Served, case: Case<'_>) {
    let answer = served
        .send(case.method, case.path, &[], case.body.clone())
        .await;
    let place = format!("{file}:{} {} {}", case.line, case.method, case.path);
    assert_eq!(answer.status, case.status, "{place}: {}", answer.text());
    if let Some(text) = case.expected.strip_prefix("text ") {
        assert_eq!(answer.text(), text, "{place}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8"),
            "{place}"
        );
        return;
    }
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{place}"
    );
    let expected = if case.expected.trim_start().starts_with('{') {
        serde_json::from_str(case.expected).unwrap_or_else(|error| panic!("{place}: {error}"))
    } else {
        envelope(&case, &answer)
    };
    let found = answer.json();
    if let Err(difference) = compare("", &expected, &found) {
        panic!("{place}: {difference}\nexpected {expected:#}\nfound {found:#}");
    }
}

/// Kuma's envelope around what a case tells.
fn envelope(case: &Case<'_>, answer: &Answer) -> Value {
    let (title, detail) = case.expected.split_once(": ").unwrap();
    let mut detail = detail.replace("\\n", "\n");
    if let Some(beginning) = detail.strip_suffix('…') {
        let found = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(found.starts_with(beginning), "{}: {found}", case.line);
        detail = found;
    }
    let mut envelope = json!({
        "type": "/std-errors", "status": case.status, "title": title, "detail": detail, "details": detail,
    });
    if !case.violations.is_empty() {
        let violations = || case.violations.iter();
        envelope["invalid_parameters"] = violations()
            .map(|(field, reason)| match field.split_once(" of ") {
                None => json!({ "field": field, "reason": reason }),
                Some((field, resource)) => {
                    json!({ "field": field, "reason": reason, "resource": resource })
                }
            })
            .collect();
        envelope["causes"] = violations()
            .map(
                |(field, reason)| json!({ "field": field.split(" of ").next(), "message": reason }),
            )
            .collect();
    }
    envelope
}

/// Where two values differ; the text `*` takes any text.
fn compare(path: &str, expected: &Value, found: &Value) -> Result<(), String> {
    match (expected, found) {
        (Value::String(any), Value::String(_)) if any == "*" => Ok(()),
        (Value::Object(expected), Value::Object(found)) => {
            for name in expected.keys().chain(found.keys()) {
                let path = format!("{path}.{name}");
                match (expected.get(name), found.get(name)) {
                    (Some(expected), Some(found)) => compare(&path, expected, found)?,
                    (Some(_), None) => return Err(format!("{path} is missing")),
                    _ => return Err(format!("{path} should not be there")),
                }
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .try_for_each(|(n, (expected, found))| {
                compare(&format!("{path}[{n}]"), expected, found)
            }),
        _ if expected == found => Ok(()),
        _ => Err(format!("{path} is {found}, should be {expected}")),
    }
}
