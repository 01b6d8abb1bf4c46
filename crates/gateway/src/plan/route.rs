//! Reads a MeshGatewayRoute into the entries that compete for requests.

use std::sync::Arc;

use portolan_model::{
    Resource,
    hostname::Hostname,
    tags::{self, Tags},
};
use portolan_proto::mesh::{
    HttpMethod, MeshGatewayRoute, Selector,
    mesh_gateway_route::{
        conf,
        http_route::{
            Match, Rule,
            r#match::{self, header, path, query},
        },
    },
};

use super::{
    action::Action,
    destination::Destination,
    entry::{Author, Entry},
    filter, header as http,
    interner::Interner,
    matching::{HeaderCondition, HeaderMatch, PathMatch, QueryMatch, RouteMatch, TextMatch},
    regex,
};
use crate::fault::{Fault, Reason};

/// Values that many routes of a mesh have in common.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    pub(super) destinations: Interner<Destination>,
    selectors: Interner<Vec<Tags>>,
}

impl Shared {
    /// The tags of these selectors.
    pub(super) fn selectors(&mut self, selectors: Vec<Selector>) -> Arc<Vec<Tags>> {
        let tags = selectors.into_iter().map(|selector| selector.r#match);
        self.selectors.intern(tags.collect())
    }
}

/// The HTTP rules of one MeshGatewayRoute.
#[derive(Debug)]
pub struct HttpRoute {
    /// The resource.
    pub author: Arc<Author>,
    selectors: Arc<Vec<Tags>>,
    /// The hosts that it is for; empty means those of its listeners.
    pub hostnames: Box<[Hostname]>,
    /// Its entries, in the order in which they are written.
    pub entries: Box<[Arc<Entry>]>,
    /// What had to be left out.
    pub faults: Box<[Fault]>,
}

impl HttpRoute {
    /// Reads a resource of kind MeshGatewayRoute; nothing if it has no HTTP rules.
    pub fn read(resource: &Resource, shared: &mut Shared) -> Option<Self> {
        // Stores hold only specs that are messages of their kind.
        let spec: MeshGatewayRoute = resource.spec_as().ok()?;
        let Some(conf::Route::Http(http)) = spec.conf.and_then(|conf| conf.route) else {
            return None;
        };
        let author = Arc::new(Author::new(resource));
        let mut reading = Reading {
            resource,
            faults: Vec::new(),
        };
        let hostnames = reading.hostnames(&http.hostnames);
        let mut entries = Vec::with_capacity(http.rules.len());
        // A route that was meant for certain hosts must not become one for all.
        if !hostnames.is_empty() || http.hostnames.is_empty() {
            for (position, rule) in http.rules.iter().enumerate() {
                reading.rule(position, rule, &author, shared, &mut entries);
            }
        }
        Some(Self {
            author,
            selectors: shared.selectors(spec.selectors),
            hostnames: hostnames.into(),
            entries: entries.into(),
            faults: reading.faults.into(),
        })
    }

    /// Every destination that its entries send or copy requests to; some may come more than once.
    pub fn destinations(&self) -> impl Iterator<Item = &Arc<Destination>> {
        let entries = self.entries.iter();
        entries.flat_map(|entry| entry.action.destinations())
    }

    /// Whether it belongs to a listener with these tags.
    pub fn selects(&self, listener: &Tags) -> bool {
        self.selectors
            .iter()
            .any(|selector| tags::matches(selector, listener))
    }
}

/// One resource being read, and what had to be left out so far.
struct Reading<'a> {
    resource: &'a Resource,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, field: &str, reason: Reason) {
        let field = format!("conf.http.{field}");
        self.faults.push(Fault {
            resource: self.resource.key.clone(),
            field,
            reason,
        });
    }

    fn hostnames(&mut self, texts: &[String]) -> Vec<Hostname> {
        let mut hostnames = Vec::with_capacity(texts.len());
        for (position, text) in texts.iter().enumerate() {
            match Hostname::parse(text) {
                Ok(hostname) => hostnames.push(hostname),
                Err(_) => {
                    self.fault(
                        &format!("hostnames[{position}]"),
                        Reason::Hostname(text.clone()),
                    );
                }
            }
        }
        hostnames
    }

    /// Adds an entry for each match of a rule that can be read.
    fn rule(
        &mut self,
        rule: usize,
        spec: &Rule,
        author: &Arc<Author>,
        shared: &mut Shared,
        entries: &mut Vec<Arc<Entry>>,
    ) {
        let action: Arc<Action> = match filter::action(spec, &mut shared.destinations) {
            Ok(action) => Arc::new(action),
            Err((field, reason)) => return self.fault(&format!("rules[{rule}].{field}"), reason),
        };
        for (position, spec) in spec.matches.iter().enumerate() {
            match read_match(spec) {
                Ok(matching) => entries.push(Arc::new(Entry {
                    author: author.clone(),
                    rule: small(rule),
                    position: small(position),
                    index: small(entries.len()),
                    matching,
                    action: action.clone(),
                })),
                Err((field, reason)) => {
                    self.fault(
                        &format!("rules[{rule}].matches[{position}].{field}"),
                        reason,
                    );
                }
            }
        }
    }
}

/// Positions fit: a resource of four thousand million rules fits no store.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn read_match(spec: &Match) -> Result<RouteMatch, (String, Reason)> {
    let path = read_path(spec.path.as_ref()).map_err(|reason| ("path.value".to_owned(), reason))?;
    let headers = spec.headers.iter().enumerate().map(|(position, header)| {
        read_header(header).map_err(|reason| (format!("headers[{position}]"), reason))
    });
    let query = spec
        .query_parameters
        .iter()
        .enumerate()
        .map(|(position, query)| {
            read_query(query).map_err(|reason| (format!("queryParameters[{position}]"), reason))
        });
    let method = spec.method();
    Ok(RouteMatch {
        path,
        method: (method != HttpMethod::None).then(|| method.as_str_name()),
        headers: headers.collect::<Result<_, _>>()?,
        query: query.collect::<Result<_, _>>()?,
    })
}

/// A match without path takes every path.
fn read_path(spec: Option<&r#match::Path>) -> Result<PathMatch, Reason> {
    let Some(spec) = spec else {
        return Ok(PathMatch::Prefix("/".into()));
    };
    let text = spec.value.as_str();
    if spec.r#match() == path::MatchType::Regex {
        checked_regex(text)?;
        return Ok(PathMatch::Regex(text.into()));
    }
    if !text.starts_with('/') || text.contains(['?', '#']) {
        return Err(Reason::Path(text.to_owned()));
    }
    Ok(match (spec.r#match(), text.trim_end_matches('/')) {
        (path::MatchType::Exact, _) => PathMatch::Exact(text.into()),
        (_, "") => PathMatch::Prefix("/".into()),
        (_, trimmed) => PathMatch::Prefix(trimmed.into()),
    })
}

fn read_header(spec: &r#match::Header) -> Result<HeaderMatch, Reason> {
    http::readable_name(&spec.name)?;
    let condition = match spec.r#match() {
        header::MatchType::Exact => {
            HeaderCondition::Value(TextMatch::Exact(spec.value.as_str().into()))
        }
        header::MatchType::Regex => HeaderCondition::Value(regex_text(&spec.value)?),
        header::MatchType::Absent => HeaderCondition::Absent,
        header::MatchType::Present => HeaderCondition::Present,
    };
    Ok(HeaderMatch {
        name: spec.name.as_str().into(),
        condition,
    })
}

fn read_query(spec: &r#match::Query) -> Result<QueryMatch, Reason> {
    http::query_name(&spec.name)?;
    let value = match spec.r#match() {
        query::MatchType::Exact => TextMatch::Exact(spec.value.as_str().into()),
        query::MatchType::Regex => regex_text(&spec.value)?,
    };
    Ok(QueryMatch {
        name: spec.name.as_str().into(),
        value,
    })
}

fn regex_text(pattern: &str) -> Result<TextMatch, Reason> {
    checked_regex(pattern)?;
    Ok(TextMatch::Regex(pattern.into()))
}

fn checked_regex(pattern: &str) -> Result<(), Reason> {
    regex::check(pattern).map_err(|problem| Reason::Regex {
        pattern: pattern.to_owned(),
        problem,
    })
}
