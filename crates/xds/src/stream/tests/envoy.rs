//! A model of Envoy's side: what it holds, what it asks for, and when it acknowledges.
//!
//! As observed with Envoy 1.40 in both protocols: a new or changed cluster is warm only when endpoints came
//! after it; the answer to clusters is withheld until all are warm, except at the start; what is asked for in
//! consequence of a response goes out before the answer to it; of a refused response the good clusters and
//! listeners are used all the same.

use std::collections::BTreeSet;

use super::*;

/// Marks a body that the proxy refuses.
pub(super) const BAD: char = '!';

/// Something that the proxy uses in one version while it prepares another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) active: Option<String>,
    pub(super) warming: Option<String>,
}

pub(super) struct Envoy {
    mode: Mode,
    pub(super) clusters: BTreeMap<String, Prepared>,
    pub(super) endpoints: BTreeMap<String, String>,
    pub(super) listeners: BTreeMap<String, Prepared>,
    pub(super) routes: BTreeMap<String, String>,
    wanted_endpoints: BTreeSet<String>,
    wanted_routes: BTreeSet<String>,
    initialised: bool,
    /// The type of the response that is being taken.
    taking: Option<String>,
    /// Last nonce of each type.
    nonces: BTreeMap<String, String>,
    /// The answer to clusters that are not yet warm.
    withheld: Option<Request>,
    /// What it sends.
    pub(super) requests: VecDeque<Request>,
}

/// The names that a version refers to: versions are `NUMBER:NAME,NAME`.
pub(super) fn references(version: &str) -> impl Iterator<Item = &str> {
    version
        .split(':')
        .nth(1)
        .into_iter()
        .flat_map(|names| names.split(','))
        .filter(|n| !n.is_empty())
}

impl Envoy {
    pub(super) fn new(mode: Mode) -> Self {
        let mut envoy = Self {
            mode,
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            wanted_endpoints: BTreeSet::new(),
            wanted_routes: BTreeSet::new(),
            initialised: false,
            taking: None,
            nonces: BTreeMap::new(),
            withheld: None,
            requests: VecDeque::new(),
        };
        envoy.reconnect();
        envoy
    }

    /// Opens a new stream and says what it wants and holds.
    pub(super) fn reconnect(&mut self) {
        self.requests.clear();
        self.nonces.clear();
        self.withheld = None;
        // What still waits for endpoints that it has had takes these after a while.
        for (name, cluster) in &mut self.clusters {
            if self.endpoints.contains_key(name) && cluster.warming.is_some() {
                cluster.active = cluster.warming.take();
            }
        }
        self.ask_for_all(CLUSTER, known(&self.clusters));
        if !self.wanted_endpoints.is_empty() {
            let names = self.wanted_endpoints.clone();
            self.ask(
                ENDPOINTS,
                &names,
                &names,
                &BTreeSet::new(),
                self.endpoints.clone(),
            );
        }
        if self.initialised {
            self.ask_for_all(LISTENER, known(&self.listeners));
        }
        if !self.wanted_routes.is_empty() {
            let names = self.wanted_routes.clone();
            self.ask(
                ROUTES,
                &names,
                &names,
                &BTreeSet::new(),
                self.routes.clone(),
            );
        }
    }

    /// Whether everything that it uses is there.
    pub(super) fn check(&self) {
        for (name, listener) in &self.listeners {
            for route in listener
                .active
                .iter()
                .flat_map(|version| references(version))
            {
                let route = &self.routes[route];
                for cluster in references(route) {
                    let there = self
                        .clusters
                        .get(cluster)
                        .is_some_and(|is| is.active.is_some());
                    assert!(
                        there,
                        "listener {name} has a route to {cluster}, which is not there"
                    );
                    assert!(
                        self.endpoints.contains_key(cluster),
                        "no endpoints for {cluster}"
                    );
                }
            }
        }
    }

    pub(super) fn on_response(&mut self, response: Response) {
        let type_url = response.type_url.clone();
        self.taking = Some(type_url.clone());
        let wanted = match type_url.as_str() {
            ENDPOINTS => !self.wanted_endpoints.is_empty(),
            ROUTES => !self.wanted_routes.is_empty(),
            _ => true,
        };
        let refused = match type_url.as_str() {
            CLUSTER => self.take_clusters(&response),
            ENDPOINTS => self.take_endpoints(&response),
            LISTENER => self.take_listeners(&response),
            ROUTES => self.take_routes(&response),
            other => panic!("{other} was not asked for"),
        };
        let error = (!refused.is_empty()).then(|| format!("refused: {}", refused.join(", ")));
        self.taking = None;
        self.nonces.insert(type_url.clone(), response.nonce.clone());
        let nonce = response.nonce.clone();
        let answer = Request {
            nonce,
            error,
            ..self.current_names(&type_url)
        };
        let warm = self
            .clusters
            .values()
            .all(|cluster| cluster.warming.is_none());
        if type_url == CLUSTER && self.initialised && !warm {
            self.withheld = Some(answer);
            return;
        }
        if warm {
            self.requests.extend(self.withheld.take());
            if !std::mem::replace(&mut self.initialised, true) {
                self.ask_for_all(LISTENER, BTreeMap::new());
            }
        }
        if wanted || self.mode == Mode::Delta || response.resources.is_empty() {
            self.requests.push_back(answer);
        }
    }

    fn take_clusters(&mut self, response: &Response) -> Vec<String> {
        let before = self.wanted_endpoints.clone();
        for name in gone(self.mode, &self.clusters, response) {
            self.clusters.remove(&name);
            self.wanted_endpoints.remove(&name);
            self.endpoints.remove(&name);
        }
        let mut refused = Vec::new();
        for (name, version) in entries(response) {
            if version.ends_with(BAD) {
                refused.push(name);
                continue;
            }
            let cluster = self.clusters.entry(name.clone()).or_default();
            if cluster.newest() != Some(&version) {
                cluster.warming = Some(version);
                self.wanted_endpoints.insert(name);
            }
        }
        self.ask_for_changes(ENDPOINTS, &before, &self.wanted_endpoints.clone());
        refused
    }

    fn take_endpoints(&mut self, response: &Response) -> Vec<String> {
        for name in &response.removed {
            let used = self.endpoints.contains_key(&**name)
                && self
                    .clusters
                    .get(&**name)
                    .is_some_and(|cluster| cluster.active.is_some());
            assert!(!used, "endpoints of {name} were taken away");
            // None are as good as some: it need not wait for them.
            if let Some(cluster) = self.clusters.get_mut(&**name)
                && let Some(warm) = cluster.warming.take()
            {
                cluster.active = Some(warm);
            }
        }
        for (name, version) in entries(response) {
            if !self.wanted_endpoints.contains(&name) {
                continue;
            }
            if let Some(cluster) = self.clusters.get_mut(&name)
                && let Some(warm) = cluster.warming.take()
            {
                cluster.active = Some(warm);
            }
            self.endpoints.insert(name, version);
        }
        Vec::new()
    }

    fn take_listeners(&mut self, response: &Response) -> Vec<String> {
        for name in gone(self.mode, &self.listeners, response) {
            self.listeners.remove(&name);
        }
        let mut refused = Vec::new();
        for (name, version) in entries(response) {
            if version.ends_with(BAD) {
                refused.push(name);
                continue;
            }
            let listener = self.listeners.entry(name).or_default();
            if listener.newest() != Some(&version) {
                listener.warming = Some(version);
            }
        }
        self.warm_listeners();
        refused
    }

    fn take_routes(&mut self, response: &Response) -> Vec<String> {
        let mut refused = Vec::new();
        for (name, version) in entries(response) {
            if !self.wanted_routes.contains(&name) {
                continue;
            }
            if version.ends_with(BAD) {
                refused.push(name);
                if self.mode == Mode::StateOfTheWorld {
                    // The rest of the response is not looked at.
                    break;
                }
                continue;
            }
            self.routes.insert(name, version);
        }
        self.warm_listeners();
        refused
    }

    /// Listeners become active when their routes are there; routes that none refers to are dropped.
    fn warm_listeners(&mut self) {
        for listener in self.listeners.values_mut() {
            let ready =
                |version: &String| references(version).all(|route| self.routes.contains_key(route));
            if let Some(warm) = listener.warming.take_if(|version| ready(version)) {
                listener.active = Some(warm);
            }
        }
        let versions = self
            .listeners
            .values()
            .flat_map(|listener| [&listener.active, &listener.warming]);
        let wanted: BTreeSet<String> = versions
            .flatten()
            .flat_map(|version| references(version))
            .map(Into::into)
            .collect();
        let before = std::mem::replace(&mut self.wanted_routes, wanted.clone());
        self.routes.retain(|name, _| wanted.contains(name));
        self.ask_for_changes(ROUTES, &before, &wanted);
    }

    fn ask_for_all(&mut self, type_url: &str, known: BTreeMap<String, String>) {
        let request = match self.mode {
            Mode::Delta => Request {
                known,
                ..subscribe(type_url, &["*"])
            },
            Mode::StateOfTheWorld => exactly(type_url, &[], ""),
        };
        self.requests.push_back(request);
    }

    fn ask_for_changes(
        &mut self,
        type_url: &str,
        before: &BTreeSet<String>,
        now: &BTreeSet<String>,
    ) {
        if before != now {
            let more = now.difference(before).cloned().collect();
            let fewer = before.difference(now).cloned().collect();
            self.ask(type_url, now, &more, &fewer, BTreeMap::new());
        }
    }

    fn ask(
        &mut self,
        type_url: &str,
        all: &BTreeSet<String>,
        more: &BTreeSet<String>,
        fewer: &BTreeSet<String>,
        known: BTreeMap<String, String>,
    ) {
        fn list(names: &BTreeSet<String>) -> Vec<&str> {
            names.iter().map(String::as_str).collect()
        }
        if self.mode == Mode::StateOfTheWorld && self.taking.as_deref() == Some(type_url) {
            // The answer says it all.
            return;
        }
        let nonce = self.nonces.get(type_url).cloned().unwrap_or_default();
        self.requests.push_back(match self.mode {
            Mode::Delta => Request {
                known,
                ..change(type_url, &list(more), &list(fewer))
            },
            Mode::StateOfTheWorld => exactly(type_url, &list(all), &nonce),
        });
    }

    /// A request that changes nothing.
    fn current_names(&self, type_url: &str) -> Request {
        let names: Vec<&str> = match type_url {
            ENDPOINTS => self.wanted_endpoints.iter().map(String::as_str).collect(),
            ROUTES => self.wanted_routes.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        match self.mode {
            Mode::Delta => subscribe(type_url, &[]),
            Mode::StateOfTheWorld => exactly(type_url, &names, ""),
        }
    }
}

impl Prepared {
    fn newest(&self) -> Option<&String> {
        self.warming.as_ref().or(self.active.as_ref())
    }
}

fn known(all: &BTreeMap<String, Prepared>) -> BTreeMap<String, String> {
    let newest = all
        .iter()
        .filter_map(|(name, is)| Some((name.clone(), is.newest()?.clone())));
    newest.collect()
}

fn entries(response: &Response) -> impl Iterator<Item = (String, String)> {
    response
        .resources
        .iter()
        .map(|(name, resource)| (name.to_string(), resource.version.to_string()))
}

/// Names that a response of clusters or listeners takes away.
fn gone<T>(mode: Mode, held: &BTreeMap<String, T>, response: &Response) -> Vec<String> {
    match mode {
        Mode::Delta => response.removed.iter().map(ToString::to_string).collect(),
        Mode::StateOfTheWorld => {
            let there = |name: &String| response.resources.iter().any(|(is, _)| **is == **name);
            held.keys().filter(|name| !there(name)).cloned().collect()
        }
    }
}
