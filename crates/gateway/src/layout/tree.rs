//! The tree: path prefixes, each with the routes that may take a path which begins with it.

use std::rc::Rc;

use super::stem::Stem;
use crate::plan::matching::RouteMatch;

/// Lists of routes by path prefix. A path belongs to the leaf with the longest key that it begins
/// with, query included: keys have no `?`, so a query never changes the leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The lists, by key.
    pub leaves: Vec<Leaf>,
    /// What takes a path that begins with no key.
    pub default: Vec<usize>,
}

/// One list of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The prefix.
    pub key: String,
    /// Positions of routes, ascending: every route that may take a path whose longest key this is, up
    /// to the first that takes all of them.
    pub routes: Vec<usize>,
}

impl Tree {
    /// All lists that are not empty.
    pub fn lists(&self) -> impl Iterator<Item = &[usize]> {
        let leaves = self.leaves.iter().map(|leaf| &leaf.routes);
        let lists = leaves.chain([&self.default]).map(Vec::as_slice);
        lists.filter(|list| !list.is_empty())
    }

    /// The leaf of a path, with or without query; nothing if it begins with no key.
    pub fn leaf(&self, path: &str) -> Option<&Leaf> {
        let mut keys = (1..=path.len()).rev().filter_map(|end| path.get(..end));
        let found = keys.find_map(|key| {
            let search = |leaf: &Leaf| (*leaf.key).cmp(key);
            self.leaves.binary_search_by(search).ok()
        });
        found.map(|position| &self.leaves[position])
    }

    /// The tree of these routes whose leaves have at most `leaf` routes of their own, where paths allow.
    pub(super) fn grow(
        routes: &[&RouteMatch],
        stands_once: impl Fn(usize) -> bool,
        leaf: usize,
    ) -> Self {
        let stems = routes.iter().enumerate();
        let stems = stems.map(|(position, route)| Stem::of(position, route, stands_once(position)));
        let mut stems: Vec<Stem<'_>> = stems.collect();
        // By text; equal texts stay in the order of the plan.
        stems.sort_by_key(|stem| stem.text);
        let mut tree = Self::default();
        let mut nodes = nodes(&stems, leaf);
        // From the longest keys to the shortest: what has no leaf goes to the node above.
        while let Some(node) = nodes.pop() {
            match node.above {
                Some(above) if !node.is_worth_a_leaf() => nodes[above].own.extend(node.own),
                _ => tree.take(&node),
            }
        }
        tree.leaves
            .sort_unstable_by(|left, right| left.key.cmp(&right.key));
        tree
    }

    fn take(&mut self, node: &Node<'_, '_>) {
        let routes = node.routes();
        if node.key.is_empty() {
            self.default = routes;
        } else if !routes.is_empty() {
            self.leaves.push(Leaf {
                key: node.key.to_owned(),
                routes,
            });
        }
    }
}

/// A prefix that may become a key.
struct Node<'a, 'r> {
    key: &'r str,
    /// Position of the node with the next shorter prefix.
    above: Option<usize>,
    /// Routes that no other leaf has for their own, in parts.
    own: Vec<&'a [Stem<'r>]>,
    /// Routes with a shorter text that may take a path which begins with the key.
    guests: Guests<'a, 'r>,
}

type Guests<'a, 'r> = Rc<Vec<&'a Stem<'r>>>;

impl Node<'_, '_> {
    /// Whether it has as many routes of its own as it repeats. This is what bounds a tree: each route is
    /// the own of one leaf.
    fn is_worth_a_leaf(&self) -> bool {
        let own: usize = self.own.iter().map(|part| part.len()).sum();
        own > 0 && own >= self.guests.len()
    }

    /// Positions of its routes, up to the first that takes all that its key leaves.
    fn routes(&self) -> Vec<usize> {
        let own = self.own.iter().copied().flatten();
        let all = own.chain(self.guests.iter().copied());
        let mut routes: Vec<usize> = all.map(|stem| stem.position).collect();
        routes.sort_unstable();
        if let Some(last) = taker_of_all(self.guests.iter().copied()) {
            routes.retain(|position| *position <= last);
        }
        routes
    }
}

/// A part of the routes that still has to be looked at.
struct Branch<'a, 'r> {
    /// Its routes, sorted by text.
    stems: &'a [Stem<'r>],
    /// Position of the node above.
    above: Option<usize>,
    /// Routes with a shorter text, some of which may take what begins as these do.
    guests: Guests<'a, 'r>,
}

/// The nodes for sorted routes, each behind those with shorter prefixes of its key.
fn nodes<'a, 'r>(stems: &'a [Stem<'r>], leaf: usize) -> Vec<Node<'a, 'r>> {
    let mut nodes = Vec::new();
    // A work list instead of recursion: paths may nest as deep as they are long.
    let mut open = vec![Branch {
        stems,
        above: None,
        guests: Rc::default(),
    }];
    while let Some(branch) = open.pop() {
        let stems = branch.stems;
        let (Some(first), Some(last)) = (stems.first(), stems.last()) else {
            continue;
        };
        let key = common_prefix(first.text, last.text);
        let guests = reaching(&branch.guests, key);
        let (own, longer) =
            stems.split_at(stems.partition_point(|stem| stem.text.len() == key.len()));
        // What repeats more than it has for its own may have parts that repeat less.
        let is_split = stems.len() > leaf || guests.len() > stems.len();
        let is_split = is_split && !own.iter().any(Stem::binds);
        let mut parts_of_own = vec![if is_split { own } else { stems }];
        if is_split {
            let position = nodes.len();
            let below = joined(&guests, own);
            let most = sure(&below);
            let next = |stem: &Stem<'_>| stem.text[key.len()..].chars().next();
            for stems in longer.chunk_by(|left, right| next(left) == next(right)) {
                // Neither it nor any part of it would have a leaf.
                if stems.len() < most && !has_takers(stems) {
                    parts_of_own.push(stems);
                    continue;
                }
                open.push(Branch {
                    stems,
                    above: Some(position),
                    guests: below.clone(),
                });
            }
        }
        nodes.push(Node {
            key,
            above: branch.above,
            own: parts_of_own,
            guests,
        });
    }
    nodes
}

/// How many of these are guests wherever no route of a longer text takes all.
fn sure(guests: &[&Stem<'_>]) -> usize {
    if guests.iter().any(|stem| stem.takes_all()) {
        return 0;
    }
    guests.iter().filter(|stem| stem.reaches_all()).count()
}

/// Whether some of these may take all that begins as others do.
fn has_takers(stems: &[Stem<'_>]) -> bool {
    let mut takers = stems.iter().filter(|stem| stem.takes_all());
    takers.any(|taker| {
        let below = format!("{}/", taker.text.trim_end_matches('/'));
        let first = stems.partition_point(|stem| *stem.text < *below);
        let first = stems.get(first);
        first.is_some_and(|stem| stem.text.starts_with(&below))
    })
}

/// Those of a node's guests and its own routes that may be guests of nodes below.
fn joined<'a, 'r>(guests: &Guests<'a, 'r>, own: &'a [Stem<'r>]) -> Guests<'a, 'r> {
    let mut more = own.iter().filter(|stem| stem.goes_on()).peekable();
    if more.peek().is_none() {
        return guests.clone();
    }
    Rc::new(guests.iter().copied().chain(more).collect())
}

/// Those that may take a path which begins with `key`, up to the first that takes all of them.
fn reaching<'a, 'r>(guests: &Guests<'a, 'r>, key: &str) -> Guests<'a, 'r> {
    let reach = || guests.iter().copied().filter(|stem| stem.reaches(key));
    let last = taker_of_all(reach()).unwrap_or(usize::MAX);
    let kept = || reach().filter(|stem| stem.position <= last);
    if kept().count() == guests.len() {
        return guests.clone();
    }
    Rc::new(kept().collect())
}

/// The position of the first that takes all paths which begin with a key that all of these reach.
fn taker_of_all<'a, 'r: 'a>(guests: impl Iterator<Item = &'a Stem<'r>>) -> Option<usize> {
    let takers = guests.filter(|stem| stem.takes_all());
    takers.map(|stem| stem.position).min()
}

/// What both begin with, in whole characters: keys are text.
fn common_prefix<'a>(left: &'a str, right: &str) -> &'a str {
    let mut pairs = left.char_indices().zip(right.chars());
    let differ = pairs.find(|((_, ours), theirs)| ours != theirs);
    match differ {
        Some(((end, _), _)) => &left[..end],
        None => &left[..left.len().min(right.len())],
    }
}
