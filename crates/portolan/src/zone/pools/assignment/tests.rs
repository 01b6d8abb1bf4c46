//! Tables, and what always holds.

use proptest::{collection::btree_map, prelude::*};

use super::*;

type Named = Counts<&'static str, &'static str>;

fn counts(all: &[(&'static str, &'static str, u32)]) -> Named {
    all.iter()
        .map(|(pool, gateway, count)| ((*pool, *gateway), *count))
        .collect()
}

fn wanted(
    all: &[(&'static str, u32, &[&'static str])],
) -> BTreeMap<&'static str, Wanted<&'static str>> {
    let one = |(gateway, count, pools): &(&'static str, u32, &[&'static str])| {
        let pools = pools.iter().copied().collect();
        let count = *count;
        (*gateway, Wanted { count, pools })
    };
    all.iter().map(one).collect()
}

#[test]
fn tables() {
    let ab: &[_] = &["a", "b"];
    let abc: &[_] = &["a", "b", "c"];
    let cases = [
        (
            "no pool",
            wanted(&[("g", 3, &[])]),
            counts(&[]),
            counts(&[]),
        ),
        (
            "none wanted",
            wanted(&[("g", 0, ab)]),
            counts(&[("a", "g", 2)]),
            counts(&[]),
        ),
        (
            "one pool",
            wanted(&[("g", 3, &["a"])]),
            counts(&[]),
            counts(&[("a", "g", 3)]),
        ),
        (
            "evenly, the first name has one more",
            wanted(&[("g", 5, ab)]),
            counts(&[]),
            counts(&[("a", "g", 3), ("b", "g", 2)]),
        ),
        (
            "who has one more keeps it",
            wanted(&[("g", 3, ab)]),
            counts(&[("a", "g", 1), ("b", "g", 2)]),
            counts(&[("a", "g", 1), ("b", "g", 2)]),
        ),
        (
            "up: one is started",
            wanted(&[("g", 4, ab)]),
            counts(&[("a", "g", 1), ("b", "g", 2)]),
            counts(&[("a", "g", 2), ("b", "g", 2)]),
        ),
        (
            "down to one: the first name keeps it",
            wanted(&[("g", 1, abc)]),
            counts(&[("a", "g", 2), ("b", "g", 2), ("c", "g", 1)]),
            counts(&[("a", "g", 1)]),
        ),
        (
            "down to one: it stays where one is",
            wanted(&[("g", 1, ab)]),
            counts(&[("b", "g", 1)]),
            counts(&[("b", "g", 1)]),
        ),
        (
            "a pool is gone: the others take its share",
            wanted(&[("g", 5, &["b", "c"])]),
            counts(&[("a", "g", 2), ("b", "g", 2), ("c", "g", 1)]),
            counts(&[("b", "g", 3), ("c", "g", 2)]),
        ),
        (
            "a pool has come: it gets its share, no more",
            wanted(&[("g", 5, abc)]),
            counts(&[("a", "g", 3), ("b", "g", 2)]),
            counts(&[("a", "g", 2), ("b", "g", 2), ("c", "g", 1)]),
        ),
        (
            "single ones go to who has least to do",
            wanted(&[("f", 1, ab), ("g", 1, ab), ("h", 1, ab)]),
            counts(&[]),
            counts(&[("a", "f", 1), ("b", "g", 1), ("a", "h", 1)]),
        ),
        (
            "but nothing that runs is moved for that",
            wanted(&[("f", 1, ab), ("g", 1, ab)]),
            counts(&[("a", "f", 1), ("a", "g", 1)]),
            counts(&[("a", "f", 1), ("a", "g", 1)]),
        ),
        (
            "a pool that may not run it gets none",
            wanted(&[("f", 2, ab), ("g", 2, &["b"])]),
            counts(&[]),
            counts(&[("a", "f", 1), ("b", "f", 1), ("b", "g", 2)]),
        ),
    ];
    for (what, wanted, held, expected) in cases {
        assert_eq!(assign(&wanted, &held), expected, "{what}");
    }
}

/// How many instances must be started to get from one state to the other.
fn starts(held: &Counts<u8, u8>, assigned: &Counts<u8, u8>) -> u32 {
    let before = |key| held.get(key).copied().unwrap_or_default();
    let more = assigned
        .iter()
        .map(|(key, count)| count.saturating_sub(before(key)));
    more.sum()
}

/// The least number of starts of any even spread: every choice of who has one more is tried.
fn fewest_starts(gateway: u8, wanted: &Wanted<u8>, held: &Counts<u8, u8>) -> u32 {
    let pools: Vec<u8> = wanted.pools.iter().copied().collect();
    let size = u32::try_from(pools.len()).unwrap_or_default();
    if size == 0 {
        return 0;
    }
    let (share, one_more) = (wanted.count / size, wanted.count % size);
    let choices = (0_u32..1 << size).filter(|choice| choice.count_ones() == one_more);
    let costs = choices.map(|choice| {
        let count = |position: usize| share + ((choice >> position) & 1);
        let all = pools.iter().enumerate();
        starts(
            held,
            &all.map(|(at, pool)| ((*pool, gateway), count(at)))
                .collect(),
        )
    });
    costs.min().unwrap_or_default()
}

fn gateways() -> impl Strategy<Value = BTreeMap<u8, Wanted<u8>>> {
    let pools = proptest::collection::btree_set(0_u8..6, 0..6);
    let wanted = (0_u32..20, pools).prop_map(|(count, pools)| Wanted { count, pools });
    btree_map(0_u8..4, wanted, 0..4)
}

proptest! {
    #[test]
    fn all_are_assigned_evenly_with_the_fewest_starts(
        wanted in gateways(),
        held in btree_map((0_u8..6, 0_u8..4), 0_u32..8, 0..24),
    ) {
        let assigned = assign(&wanted, &held);
        for (gateway, wanted) in &wanted {
            let of = |pool: &u8| assigned.get(&(*pool, *gateway)).copied().unwrap_or_default();
            let counts: Vec<u32> = wanted.pools.iter().map(of).collect();
            let all = if wanted.pools.is_empty() { 0 } else { wanted.count };
            prop_assert_eq!(counts.iter().sum::<u32>(), all);
            let (most, least) = (counts.iter().max(), counts.iter().min());
            prop_assert!(most <= least.map(|least| least + 1).as_ref());
            let mine = assigned.iter().filter(|((_, of), _)| of == gateway);
            let mine: Counts<u8, u8> = mine.map(|(key, count)| (*key, *count)).collect();
            prop_assert_eq!(starts(&held, &mine), fewest_starts(*gateway, wanted, &held));
        }
        let may = |(pool, gateway): &(u8, u8)| {
            wanted.get(gateway).is_some_and(|wanted| wanted.pools.contains(pool))
        };
        prop_assert!(assigned.iter().all(|(key, count)| may(key) && *count > 0));
        prop_assert_eq!(assign(&wanted, &assigned), assigned, "what is assigned stays");
    }

    #[test]
    fn one_more_or_one_less_changes_one(
        mut wanted in gateways(),
        held in btree_map((0_u8..6, 0_u8..4), 0_u32..8, 0..24),
    ) {
        let Some((gateway, first)) = wanted.iter_mut().find(|(_, it)| !it.pools.is_empty()) else {
            return Ok(());
        };
        let gateway = *gateway;
        first.count += 1;
        let more = assign(&wanted, &held);
        wanted.entry(gateway).and_modify(|it| it.count -= 1);
        let less = assign(&wanted, &more);
        let of = |all: &Counts<u8, u8>| -> Counts<u8, u8> {
            let mine = all.iter().filter(|((_, of), _)| *of == gateway);
            mine.map(|(key, count)| (*key, *count)).collect()
        };
        prop_assert_eq!(starts(&of(&more), &of(&less)), 0);
        prop_assert_eq!(starts(&of(&less), &of(&more)), 1);
    }
}
