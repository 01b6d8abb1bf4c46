//! The tree: path prefixes, each with the routes that may take a path which begins with it.

use std::rc::Rc;

use crate::plan::{
    literal_prefix,
    matching::{PathMatch, RouteMatch},
};

/// Lists of routes by path prefix. A path belongs to the leaf with the longest key that it begins
/// with, query included: keys have no `?`, so a query never changes the leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The lists, each with a different key.
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
    /// A tree whose leaves have at most `leaf` routes of their own where paths allow, or nothing if all
    /// lists together would name more than `most` routes.
    pub(super) fn grow(
        routes: &[&RouteMatch],
        stands_once: impl Fn(usize) -> bool,
        leaf: usize,
        most: usize,
    ) -> Option<Self> {
        let mut stems: Vec<Stem<'_>> = routes
            .iter()
            .enumerate()
            .map(|(position, route)| Stem::of(position, route, stands_once(position)))
            .collect();
        // By text; equal texts stay in the order of the plan.
        stems.sort_by_key(|stem| stem.text);
        let mut grower = Grower {
            tree: Self::default(),
            leaf,
            room: most,
        };
        // A work list instead of recursion: paths may nest as deep as they are long.
        let mut open = vec![Branch {
            stems: &stems,
            above: Rc::default(),
        }];
        while let Some(branch) = open.pop() {
            grower.split(&branch, &mut open)?;
        }
        Some(grower.tree)
    }
}

/// A route, and the text that every path which it takes begins with.
#[derive(Clone, Copy)]
struct Stem<'a> {
    position: usize,
    text: &'a str,
    route: &'a RouteMatch,
    /// Whether only one list may have it.
    once: bool,
}

impl<'a> Stem<'a> {
    fn of(position: usize, route: &'a RouteMatch, once: bool) -> Self {
        let text = match &route.path {
            PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
            PathMatch::Regex(pattern) => literal_prefix(pattern),
        };
        Self {
            position,
            text,
            route,
            once,
        }
    }

    /// Whether lists for longer prefixes may not be split off, because they would have it too.
    fn binds(&self) -> bool {
        self.once && !matches!(self.route.path, PathMatch::Exact(_))
    }

    /// Whether it may take a path that begins with `key`, a text that begins with its own.
    fn reaches(&self, key: &str) -> bool {
        match &self.route.path {
            PathMatch::Exact(path) => **path == *key,
            PathMatch::Prefix(path) => match key.strip_prefix(&**path) {
                Some(rest) => rest.is_empty() || rest.starts_with('/') || **path == *"/",
                None => false,
            },
            PathMatch::Regex(_) => true,
        }
    }

    /// Whether it takes every path that begins with `key`.
    fn takes_all(&self, key: &str) -> bool {
        let PathMatch::Prefix(path) = &self.route.path else {
            return false;
        };
        let below = match key.strip_prefix(&**path) {
            Some(rest) => **path == *"/" || rest.starts_with('/'),
            None => false,
        };
        below && self.route.is_path_only()
    }
}

/// A part of the tree that still has to be made.
struct Branch<'a, 'r> {
    /// Its routes, sorted by text; at least one, but for the root.
    stems: &'a [Stem<'r>],
    /// Routes with a shorter text that may take a path which begins as these do.
    above: Rc<Vec<Stem<'r>>>,
}

struct Grower {
    tree: Tree,
    leaf: usize,
    /// How many routes the lists may still name.
    room: usize,
}

impl Grower {
    /// Makes one leaf of a branch, or its own leaf and a branch for each character that may follow.
    fn split<'a, 'r>(
        &mut self,
        branch: &Branch<'a, 'r>,
        open: &mut Vec<Branch<'a, 'r>>,
    ) -> Option<()> {
        let stems = branch.stems;
        let (Some(first), Some(last)) = (stems.first(), stems.last()) else {
            return Some(());
        };
        let key = common_prefix(first.text, last.text);
        let mut inherited: Vec<Stem<'r>> = branch
            .above
            .iter()
            .filter(|stem| stem.reaches(key))
            .copied()
            .collect();
        if stems.len() <= self.leaf && !key.is_empty() {
            inherited.extend(stems);
            return self.list(key, &mut inherited);
        }
        let own = stems
            .iter()
            .take_while(|stem| stem.text.len() == key.len())
            .count();
        let (own, longer) = stems.split_at(own);
        if own.iter().any(Stem::binds) {
            inherited.extend(stems);
            return self.list(key, &mut inherited);
        }
        inherited.extend(own);
        // Without routes of its own this prefix needs no list: the one above has the same routes.
        if !own.is_empty() || key.is_empty() {
            self.list(key, &mut inherited.clone())?;
        }
        let above = Rc::new(inherited);
        let next = |stem: &Stem<'_>| stem.text[key.len()..].chars().next();
        let groups = longer.chunk_by(|left, right| next(left) == next(right));
        open.extend(groups.map(|stems| Branch {
            stems,
            above: above.clone(),
        }));
        Some(())
    }

    fn list(&mut self, key: &str, stems: &mut Vec<Stem<'_>>) -> Option<()> {
        stems.sort_unstable_by_key(|stem| stem.position);
        if let Some(all) = stems.iter().position(|stem| stem.takes_all(key)) {
            stems.truncate(all + 1);
        }
        self.room = self.room.checked_sub(stems.len())?;
        let routes = stems.iter().map(|stem| stem.position).collect();
        if key.is_empty() {
            self.tree.default = routes;
        } else {
            self.tree.leaves.push(Leaf {
                key: key.to_owned(),
                routes,
            });
        }
        Some(())
    }
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
