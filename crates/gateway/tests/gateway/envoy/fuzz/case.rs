//! A request for which layouts differ, with as few routes as show it.

use std::{env, fs, path::PathBuf};

use portolan_gateway::layout::Sizes;
use serde_json::{Value, json};

use super::{
    compare,
    servers::Servers,
    table::{Part, Table},
};
use crate::reference::Request;

/// Tables that are tried in one Envoy.
const AT_ONCE: usize = 40;

/// What is needed to see it again.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) parts: Vec<Part>,
    pub(super) host: String,
    pub(super) request: Request,
    pub(super) small: Sizes,
    /// What was seen, in words.
    pub(super) seen: String,
}

impl Case {
    /// The same with fewer routes, if those of its host alone show it.
    pub(super) fn minimised(self, table: &Table, echo: u16) -> Self {
        let mut rules: Vec<Value> = table
            .parts
            .iter()
            .flat_map(|part| part.rules.clone())
            .collect();
        let Some(seen) = self.tried(&[rules.clone()], echo)[0].clone() else {
            return self;
        };
        let mut best = self.with(&rules, seen);
        let mut chunk = rules.len().div_ceil(2);
        loop {
            let starts: Vec<usize> = (0..rules.len()).step_by(chunk).collect();
            let without = |start: &usize| {
                let end = (start + chunk).min(rules.len());
                [&rules[..*start], &rules[end..]].concat()
            };
            let candidates: Vec<Vec<Value>> = starts.iter().map(without).collect();
            let found = candidates.chunks(AT_ONCE).find_map(|some| {
                let seen = self.tried(some, echo);
                let mut fails = some.iter().zip(seen);
                fails.find_map(|(rules, seen)| Some((rules.clone(), seen?)))
            });
            match found {
                Some((fewer, seen)) => {
                    eprintln!("{} routes show it", fewer.len());
                    rules = fewer;
                    best = self.with(&rules, seen);
                }
                None if chunk == 1 => return best,
                None => chunk = chunk.div_ceil(2),
            }
            chunk = chunk.min(rules.len()).max(1);
        }
    }

    fn with(&self, rules: &[Value], seen: String) -> Self {
        let part = part(0, rules);
        Self {
            host: part.hostname.clone(),
            parts: vec![part],
            seen,
            ..self.clone()
        }
    }

    /// For each of these tables what differs, if anything.
    fn tried(&self, tables: &[Vec<Value>], echo: u16) -> Vec<Option<String>> {
        let parts = tables.iter().enumerate();
        let parts: Vec<Part> = parts.map(|(number, rules)| part(number, rules)).collect();
        let servers = Servers::start(&parts, self.small, echo).expect("an Envoy");
        let requests = parts.iter();
        let requests: Vec<_> = requests
            .map(|part| (part.hostname.clone(), self.request.clone()))
            .collect();
        let mut seen = vec![None; tables.len()];
        for (position, told) in compare(&servers, &parts, echo, &requests).differ {
            seen[position] = Some(told);
        }
        seen
    }

    /// Writes it down, and says where.
    pub(super) fn save(&self, seed: u64) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
            PathBuf::from,
        );
        let folder = target.join("fuzz-routes");
        fs::create_dir_all(&folder).unwrap();
        let file = fs::canonicalize(&folder)
            .unwrap()
            .join(format!("{seed}.json"));
        let Self { request, small, .. } = self;
        let json = json!({
            "request": {
                "method": request.method,
                "host": self.host,
                "path": request.path,
                "query": request.query,
                "headers": request.headers,
            },
            "small": {"list": small.list, "leaf": small.leaf},
            "routes": self.parts,
            "seen": self.seen,
        });
        fs::write(&file, serde_json::to_string_pretty(&json).unwrap()).unwrap();
        file
    }

    /// Reads what [`save`](Self::save) has written.
    pub(super) fn read(file: &str) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let json: Value = serde_json::from_str(&text).unwrap();
        let request = &json["request"];
        let of = |name: &str| request[name].as_str().unwrap().to_owned();
        let pairs = |name: &str| serde_json::from_value(request[name].clone()).unwrap();
        let size = |name: &str| usize::try_from(json["small"][name].as_u64().unwrap()).unwrap();
        let methods = ["GET", "POST"].into_iter();
        Self {
            parts: serde_json::from_value(json["routes"].clone()).unwrap(),
            host: of("host"),
            request: Request {
                method: methods
                    .clone()
                    .find(|method| *method == of("method"))
                    .unwrap(),
                path: of("path"),
                query: pairs("query"),
                headers: pairs("headers"),
            },
            small: Sizes {
                list: size("list"),
                leaf: size("leaf"),
            },
            seen: json["seen"].as_str().unwrap().to_owned(),
        }
    }
}

fn part(number: usize, rules: &[Value]) -> Part {
    Part {
        name: format!("c{number}"),
        hostname: format!("c{number}.test"),
        rules: rules.to_vec(),
    }
}
