//! From an ordered list of routes to the shape in which Envoy finds them fast.
//!
//! Envoy walks a list of routes one by one, so a long list is split by path into a tree: a map from
//! path prefixes to short lists. A request goes to the list of the longest prefix that its path begins
//! with and to no other, so each list repeats what else may take such a path. A route that counts its
//! requests must not be repeated: each copy would count alone.

mod tree;

pub use tree::{Leaf, Tree};

use crate::plan::matching::RouteMatch;

/// Most routes in one list, where paths allow to split them. Walking this many costs Envoy less than
/// a tenth of the work that it has with a request anyway.
pub const LEAF_ROUTES: usize = 48;

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
/// Where a tree would repeat too much (hundreds of expressions that may match any path) or split
/// nothing (hundreds of routes for one path), the list stays. No list repeats a route that `stands_once`, so
/// what may take a path that such a route takes is not split further.
pub fn arrange(routes: &[&RouteMatch], stands_once: impl Fn(usize) -> bool) -> Layout {
    if routes.len() <= LEAF_ROUTES {
        return Layout::List;
    }
    // Longer lists repeat less of what all have in common.
    let mut leaf = LEAF_ROUTES;
    while leaf == LEAF_ROUTES || leaf <= routes.len() / 4 {
        if let Some(tree) = Tree::grow(routes, &stands_once, leaf, routes.len() * 2) {
            return if tree.leaves.len() > 1 {
                Layout::Tree(tree)
            } else {
                Layout::List
            };
        }
        leaf *= 2;
    }
    Layout::List
}
