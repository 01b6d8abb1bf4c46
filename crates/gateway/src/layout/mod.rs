//! From an ordered list of routes to the shape in which Envoy finds them fast.
//!
//! Envoy walks a list of routes one by one, so a long list is split by path into a tree: a map from
//! path prefixes to short lists. A request goes to the list of the longest prefix that its path begins
//! with and to no other, so each list repeats what else may take such a path. A route that counts its
//! requests must not be repeated: each copy would count alone.

mod stem;
mod tree;

pub use tree::{Leaf, Tree};

use crate::plan::matching::RouteMatch;

/// Most routes of a virtual host that stay one list.
pub const LIST_ROUTES: usize = 48;

/// Most routes that a leaf is the only one to have, where paths allow to split them. Walking this many
/// costs Envoy less than a tenth of the work that it has with a request anyway.
pub const LEAF_ROUTES: usize = 48;

/// How long lists may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Most routes of a virtual host that stay one list.
    pub list: usize,
    /// Most routes that a leaf is the only one to have, where paths allow to split them.
    pub leaf: usize,
}

impl Sizes {
    /// All virtual hosts are lists, whatever their length.
    pub const LISTS: Self = Self {
        list: usize::MAX,
        leaf: usize::MAX,
    };
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            list: LIST_ROUTES,
            leaf: LEAF_ROUTES,
        }
    }
}

/// How a virtual host's routes are arranged. Routes are named by their position in the plan's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As they are: one list, in order.
    List,
    /// Lists by path prefix.
    Tree(Tree),
}

/// Arranges routes that are given in order.
///
/// - All lists together name at most twice as many routes as are given: a list whose routes of its own are fewer
///   than those that it would repeat is not made, and what it would have had stays in the list of a
///   shorter prefix. So where hundreds of expressions may take any path, lists are longer.
/// - No list repeats a route that `stands_once`: what may take a path that such a route takes is
///   not split further.
/// - One route more or less changes the lists that have it, those of prefixes of its path, and, where a list
///   becomes too long or short for itself, the parts of that one; all others stay.
/// - Where paths do not tell routes apart, the list stays.
pub fn arrange(
    routes: &[&RouteMatch],
    stands_once: impl Fn(usize) -> bool,
    sizes: Sizes,
) -> Layout {
    if routes.len() <= sizes.list {
        return Layout::List;
    }
    let tree = Tree::grow(routes, stands_once, sizes.leaf);
    let splits = tree.lists().all(|list| list.len() < routes.len());
    match splits {
        true => Layout::Tree(tree),
        false => Layout::List,
    }
}
