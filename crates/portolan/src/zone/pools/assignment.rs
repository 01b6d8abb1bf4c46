//! Which pool runs how many instances of which gateway. Pure.
//!
//! Of each gateway, the pools that may run it run as many as any other, or one more. Who runs one more is
//! decided by what they run already, so that as few instances as possible are started; then by who has
//! least to do; then by name. Equal input gives equal output, in whatever order it came.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Instances by pool and gateway. What is not there is 0.
pub(super) type Counts<P, G> = BTreeMap<(P, G), u32>;

/// A gateway, as far as assignment asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted<P> {
    /// So many instances in the zone.
    pub(super) count: u32,
    /// The pools that may run it.
    pub(super) pools: BTreeSet<P>,
}

/// Assigns all instances, unless a gateway has no pool. `held` is what pools have now.
pub(super) fn assign<P, G>(wanted: &BTreeMap<G, Wanted<P>>, held: &Counts<P, G>) -> Counts<P, G>
where
    P: Ord + Clone,
    G: Ord + Clone,
{
    let mut assigned = Counts::new();
    let mut loads = BTreeMap::<P, u32>::new();
    for (gateway, wanted) in wanted {
        let has = |pool: &P| {
            let key = (pool.clone(), gateway.clone());
            held.get(&key).copied().unwrap_or_default()
        };
        let pools = u32::try_from(wanted.pools.len()).unwrap_or(u32::MAX);
        let Some(share) = wanted.count.checked_div(pools) else {
            continue;
        };
        let mut order: Vec<&P> = wanted.pools.iter().collect();
        // Sorting is stable and the pools are in the order of their names.
        order.sort_by_key(|pool| {
            let load = loads.get(*pool).copied().unwrap_or_default();
            (Reverse(has(pool) > share), load)
        });
        let one_more = wanted.count % pools;
        for (position, pool) in (0..).zip(order) {
            let count = share + u32::from(position < one_more);
            if count > 0 {
                *loads.entry(pool.clone()).or_default() += count;
                assigned.insert((pool.clone(), gateway.clone()), count);
            }
        }
    }
    assigned
}

#[cfg(test)]
mod tests;
