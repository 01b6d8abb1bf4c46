//! Random snapshots, delays and reconnects against the model of Envoy.

use std::fmt;

use proptest::{collection::vec, prelude::*};

use super::{
    envoy::{BAD, Envoy, Prepared, references},
    *,
};

const CLUSTERS: [&str; 4] = ["a", "b", "c", "d"];
const TABLES: [&str; 3] = ["r", "s", "t"];
const LISTENERS: [&str; 2] = ["l", "m"];

/// What a snapshot is made from: numbers stand for versions, bits of numbers for references.
#[derive(Clone)]
struct World {
    /// Version, and the route tables that it refers to.
    listeners: [Option<(u8, u8)>; LISTENERS.len()],
    /// Version, and the clusters that it refers to.
    tables: [(u8, u8); TABLES.len()],
    clusters: [u8; CLUSTERS.len()],
    endpoints: [u8; CLUSTERS.len()],
    /// Clusters that nothing refers to.
    unused: u8,
}

/// Versions from here on are refused.
const REFUSED: u8 = 4;

fn referred<'a>(names: &'a [&'a str], bits: u8) -> impl Iterator<Item = &'a str> {
    names
        .iter()
        .enumerate()
        .filter(move |(index, _)| bits >> index & 1 == 1)
        .map(|(_, name)| *name)
}

fn version(number: u8, references: impl Iterator<Item = &'static str>) -> String {
    let references: Vec<_> = references.collect();
    let bad = if number >= REFUSED {
        BAD.to_string()
    } else {
        String::new()
    };
    format!("{number}:{}:{bad}", references.join(","))
}

impl World {
    fn snapshot(&self, watermark: u64, last: Option<&Snapshot>) -> Arc<Snapshot> {
        let listeners: Vec<(&str, String)> = LISTENERS
            .into_iter()
            .zip(&self.listeners)
            .filter_map(|(name, listener)| {
                let (number, tables) = (*listener)?;
                Some((name, version(number, referred(&TABLES, tables))))
            })
            .collect();
        let used = |users: &[(&str, String)], name: &str| {
            users
                .iter()
                .any(|(_, version)| references(version).any(|used| used == name))
        };
        let tables: Vec<(&str, String)> = TABLES
            .into_iter()
            .zip(self.tables)
            .filter(|(name, _)| used(&listeners, name))
            .map(|(name, (number, clusters))| {
                (name, version(number, referred(&CLUSTERS, clusters)))
            })
            .collect();
        let there =
            |name: &str| used(&tables, name) || referred(&CLUSTERS, self.unused).any(|n| n == name);
        let of = |numbers: [u8; CLUSTERS.len()]| {
            let all = CLUSTERS
                .into_iter()
                .zip(numbers)
                .filter(|(name, _)| there(name));
            all.map(|(name, number)| (name, version(number, [].into_iter())))
                .collect::<Vec<_>>()
        };
        let types = [
            (CLUSTER, of(self.clusters)),
            (ENDPOINTS, of(self.endpoints)),
            (LISTENER, listeners),
            (ROUTES, tables),
        ];
        let types = types.map(|(type_url, entries)| {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, v)| (*name, v.as_str()))
                .collect();
            let new = resources(&entries);
            // What did not change is shared, as a compiler would.
            let old = last
                .and_then(|last| last.types.get(type_url))
                .filter(|old| **old == new);
            (type_url, old.cloned().unwrap_or(new))
        });
        Arc::new(Snapshot {
            watermark,
            types: types.into(),
        })
    }
}

/// Names and versions by type, as short as they can be.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot(0, None);
        for type_url in [CLUSTER, ENDPOINTS, LISTENER, ROUTES] {
            for (name, resource) in &*snapshot.types[type_url] {
                write!(f, " {name}@{}", resource.version)?;
            }
            write!(f, " |")?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Snapshot(World),
    /// The proxy reads this many responses.
    Responses(u8),
    /// The server reads this many requests.
    Requests(u8),
    Reconnect,
}

/// `refused`: whether versions of clusters, and of listeners and routes, may be bad.
fn world(refused: (bool, bool)) -> impl Strategy<Value = World> {
    let number = |bad: bool| 0..(if bad { REFUSED + 1 } else { 2 });
    let listener = prop::option::weighted(0.7, (number(refused.1), 1u8..8));
    (
        [listener.clone(), listener],
        [(); 3].map(|()| (number(refused.1), 0u8..16)),
        [(); 4].map(|()| number(refused.0)),
        [(); 4].map(|()| 0u8..2),
        0u8..16,
    )
        .prop_map(|(listeners, tables, clusters, endpoints, unused)| World {
            listeners,
            tables,
            clusters,
            endpoints,
            unused,
        })
}

fn story(refused: (bool, bool), reconnects: bool) -> impl Strategy<Value = Vec<Happens>> {
    let happens = prop_oneof![
        4 => world(refused).prop_map(Happens::Snapshot),
        5 => (1u8..4).prop_map(Happens::Responses),
        5 => (1u8..4).prop_map(Happens::Requests),
        u32::from(reconnects) => Just(Happens::Reconnect),
    ];
    vec(happens, 1..60)
}

/// A stream between the two, with what is on its way.
struct Play {
    mode: Mode,
    server: Stream,
    envoy: Envoy,
    responses: VecDeque<Response>,
    /// Nonces by type, until the server has seen the answer.
    in_flight: BTreeMap<String, String>,
    history: Vec<Arc<Snapshot>>,
    served: Option<u64>,
    /// Whether the proxy must never lack what it uses.
    strict: bool,
}

impl Play {
    fn new(mode: Mode, strict: bool) -> Self {
        Self {
            mode,
            server: Stream::new(mode),
            envoy: Envoy::new(mode),
            responses: VecDeque::new(),
            in_flight: BTreeMap::new(),
            history: Vec::new(),
            served: None,
            strict,
        }
    }

    fn run(mut self, story: Vec<Happens>) {
        for happens in story {
            match happens {
                Happens::Snapshot(world) => {
                    let last = self.history.last().map(|last| &**last);
                    let next = world.snapshot(self.history.len() as u64, last);
                    self.history.push(Arc::clone(&next));
                    self.server.on_snapshot(next);
                    self.collect();
                }
                Happens::Responses(count) => (0..count).for_each(|_| self.reach_proxy()),
                Happens::Requests(count) => (0..count).for_each(|_| self.reach_server()),
                Happens::Reconnect => self.reconnect(),
            }
        }
        for _ in 0..1_000 {
            self.reach_proxy();
            self.reach_server();
        }
        assert!(
            self.responses.is_empty() && self.envoy.requests.is_empty(),
            "it never ends"
        );
        self.check_end();
    }

    fn reconnect(&mut self) {
        self.server = Stream::new(self.mode);
        self.responses.clear();
        self.in_flight.clear();
        self.served = None;
        self.envoy.reconnect();
        if let Some(newest) = self.history.last() {
            self.server.on_snapshot(Arc::clone(newest));
        }
        self.collect();
    }

    fn reach_proxy(&mut self) {
        if let Some(response) = self.responses.pop_front() {
            self.envoy.on_response(response);
            if self.strict {
                self.envoy.check();
            }
        }
    }

    fn reach_server(&mut self) {
        if let Some(request) = self.envoy.requests.pop_front() {
            let type_url = request.type_url.clone();
            let lost = request.names == Names::Exactly(Vec::new())
                && [ENDPOINTS, ROUTES].contains(&type_url.as_str());
            if lost || self.in_flight.get(&type_url) == Some(&request.nonce) {
                self.in_flight.remove(&type_url);
            }
            self.server.on_request(request).unwrap();
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(response) = self.server.next_response() {
            let before = self
                .in_flight
                .insert(response.type_url.clone(), response.nonce.clone());
            assert_eq!(before, None, "two {} in flight", response.type_url);
            self.responses.push_back(response);
        }
        if let Some(watermark) = self.server.newly_serving() {
            assert!(
                self.served < Some(watermark),
                "served {:?}, then {watermark}",
                self.served
            );
            self.served = Some(watermark);
            self.check_served(watermark);
        }
    }

    /// The proxy has of each name what this snapshot or a newer one has, and nothing else.
    fn check_served(&self, watermark: u64) {
        let newer = &self.history[watermark as usize..];
        for (type_url, held) in self.held() {
            let names: Vec<_> = newer
                .iter()
                .flat_map(|s| s.types[type_url].keys())
                .collect();
            for name in names
                .into_iter()
                .map(|name| name.to_string())
                .chain(held.keys().cloned())
            {
                let versions: Vec<_> = newer
                    .iter()
                    .map(|s| s.types[type_url].get(&*name).map(|r| r.version.to_string()))
                    .collect();
                let has = held.get(&name).cloned();
                if versions.contains(&None) && versions.iter().any(Option::is_some) {
                    // What goes and comes back at once may stay as it was.
                    continue;
                }
                assert!(
                    versions.contains(&has),
                    "{watermark}: {name} is {has:?}: {versions:?}"
                );
            }
        }
    }

    fn held(&self) -> [(&'static str, BTreeMap<String, String>); 4] {
        let active = |all: &BTreeMap<String, Prepared>| {
            let all = all.iter();
            all.filter_map(|(name, is)| Some((name.clone(), is.active.clone()?)))
                .collect()
        };
        [
            (CLUSTER, active(&self.envoy.clusters)),
            (ENDPOINTS, self.envoy.endpoints.clone()),
            (LISTENER, active(&self.envoy.listeners)),
            (ROUTES, self.envoy.routes.clone()),
        ]
    }

    /// The proxy has come to the newest snapshot, but for what it refuses.
    fn check_end(&self) {
        let Some(newest) = self.history.last() else {
            return;
        };
        let is_bad = |version: &str| version.ends_with(BAD);
        let mut refused = false;
        for (type_url, mut held) in self.held() {
            if type_url == LISTENER {
                // One whose routes were refused waits for them.
                held.extend(self.envoy.listeners.iter().filter_map(|(name, listener)| {
                    Some((name.clone(), listener.warming.clone()?))
                }));
            }
            for (name, resource) in newest.types[type_url].iter() {
                let has = held.get(&**name).map(String::as_str);
                if is_bad(&resource.version) {
                    refused = true;
                    assert!(!has.is_some_and(is_bad));
                } else if has.is_some() || [CLUSTER, LISTENER].contains(&type_url) {
                    // Routes and endpoints whose only users were refused are not asked for.
                    assert_eq!(has, Some(&*resource.version), "{name} in the end");
                }
            }
        }
        if !refused {
            for (type_url, held) in self.held() {
                let wanted = newest.types[type_url].iter();
                let wanted: BTreeMap<_, _> = wanted
                    .map(|(n, r)| (n.to_string(), r.version.to_string()))
                    .collect();
                assert_eq!(held, wanted, "{type_url} in the end");
            }
            assert_eq!(
                self.served,
                Some(newest.watermark),
                "what is served in the end"
            );
        }
    }
}

const MODES: [Mode; 2] = [Mode::Delta, Mode::StateOfTheWorld];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_proxy_comes_to_the_newest_snapshot(story in story((false, false), false)) {
        for mode in MODES {
            Play::new(mode, true).run(story.clone());
        }
    }

    #[test]
    fn a_reconnected_proxy_comes_to_the_newest_snapshot(story in story((false, false), true)) {
        // In state of the world, a first response takes away what the proxy may still use.
        for (mode, strict) in [(Mode::Delta, true), (Mode::StateOfTheWorld, false)] {
            Play::new(mode, strict).run(story.clone());
        }
    }

    #[test]
    fn what_is_refused_breaks_nothing(story in story((false, true), false)) {
        for mode in MODES {
            Play::new(mode, true).run(story.clone());
        }
    }

    /// Routes to a refused cluster go nowhere, so only the end counts.
    #[test]
    fn refused_clusters_hold_up_nothing(story in story((true, true), true)) {
        for mode in MODES {
            Play::new(mode, false).run(story.clone());
        }
    }
}
