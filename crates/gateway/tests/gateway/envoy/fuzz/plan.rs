//! What the reference expects: the routes of the plan, walked as plainly as possible.

use std::sync::Arc;

use portolan_gateway::{
    chart::{Charts, Passage},
    explain::Target,
    plan::table::Route,
};
use portolan_model::Resource;

use super::table::{Part, marker};
use crate::{
    reference::{Request, first},
    support::ZONE,
};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Envoy answers by itself with this status.
    Status(u16),
    /// The route with this name takes it.
    Route(String),
}

/// The plan of a gateway.
pub(super) struct Plan<'a> {
    passages: Vec<Passage>,
    parts: &'a [Part],
}

impl<'a> Plan<'a> {
    /// The plan that these resources make, among them `parts`.
    pub(super) fn of(resources: &[Arc<Resource>], parts: &'a [Part]) -> Self {
        let mut charts = Charts::new(ZONE);
        resources.iter().for_each(|resource| charts.put(resource));
        let chart = charts.mesh("default");
        let gateway = chart.gateway_called("edge").unwrap();
        let fleets = chart.fleets_of(gateway);
        Self {
            passages: chart.passages(&fleets[0]),
            parts,
        }
    }

    /// What becomes of a request for a host.
    pub(super) fn expected(&self, host: &str, request: &Request) -> Expected {
        let target = match Target::read(&request.target()) {
            Ok(target) if target.redirected => return Expected::Status(307),
            Ok(target) => target,
            Err(_) => return Expected::Status(400),
        };
        let seen = Request {
            path: target.path,
            ..request.clone()
        };
        let routes = self.routes(host);
        let matches = routes.iter().map(|route| &route.entry.matching);
        match first(matches, &seen) {
            Some(position) => Expected::Route(self.name(&routes[position])),
            None => Expected::Status(404),
        }
    }

    /// The routes of the virtual host that takes a host.
    fn routes(&self, host: &str) -> &[Arc<Route>] {
        let all = self.passages.iter().flat_map(Passage::hosts);
        let takes = |name: &str| match name.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => name == host,
        };
        let takers = all.filter(|(one, _)| takes(&one.name));
        // A whole name goes before wildcards, the longer wildcard before the shorter.
        let taker = takers.max_by_key(|(one, _)| (!one.name.starts_with('*'), one.name.len()));
        taker.map_or(&[], |(_, routes)| routes)
    }

    fn name(&self, route: &Route) -> String {
        let author = route.entry.author.name();
        let part = self.parts.iter().find(|part| *part.name == **author);
        let rule = &part.expect("a part").rules[route.entry.rule as usize];
        marker(rule).to_owned()
    }
}
