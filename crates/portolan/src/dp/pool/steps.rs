//! What to start and what to end, from what runs and what is assigned. Pure.

use std::cmp::Reverse;

/// One instance that does not take its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    /// Its number among those of its gateway.
    pub(super) number: u32,
    /// Whether it serves.
    pub(super) is_ready: bool,
    /// Whether it was started as instances are to be now.
    pub(super) is_current: bool,
}

/// The next steps; more follow once these are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// So many are started.
    pub(super) start: u32,
    /// These end, by number.
    pub(super) end: Vec<u32>,
}

/// The way to `wanted` instances that are all current. Those that are not are replaced one by one, each once
/// its successor serves; those of them that do not serve end at once. Who ends first: who is not current,
/// then who does not serve, then the highest number.
pub(super) fn steps(running: &[Running], wanted: u32) -> Steps {
    let (useless, mut useful): (Vec<Running>, Vec<Running>) = running
        .iter()
        .partition(|it| !it.is_current && !it.is_ready);
    useful.sort_by_key(|it| (it.is_current, it.is_ready, Reverse(it.number)));
    let total = u32::try_from(useful.len()).unwrap_or(u32::MAX);
    // While instances are replaced, one more than wanted runs at a time.
    let is_replacing = wanted > 0 && useful.iter().any(|it| !it.is_current);
    let most = wanted + u32::from(is_replacing);
    let (goal, fewest) = match useful.iter().all(|it| it.is_ready) {
        true => (most, wanted),
        false => (wanted, most),
    };
    let surplus = usize::try_from(total.saturating_sub(fewest)).unwrap_or(usize::MAX);
    let end = useless.iter().chain(useful.iter().take(surplus));
    Steps {
        start: goal.saturating_sub(total),
        end: end.map(|it| it.number).collect(),
    }
}

/// The lowest number that nobody has.
pub(super) fn free_number(used: impl Fn(u32) -> bool) -> u32 {
    (1..).find(|number| !used(*number)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `R` serves, `s` starts; `o` and `O` are the same of those that are outdated.
    fn running(text: &str) -> Vec<Running> {
        let one = |(number, state): (u32, char)| Running {
            number,
            is_ready: state.is_uppercase(),
            is_current: !"oO".contains(state),
        };
        (1..).zip(text.chars()).map(one).collect()
    }

    #[test]
    fn tables() {
        let cases: &[(&str, u32, u32, &[u32])] = &[
            ("", 0, 0, &[]),
            ("", 3, 3, &[]),
            ("R", 3, 2, &[]),
            ("RRR", 3, 0, &[]),
            ("RRR", 1, 0, &[3, 2]),
            ("sRR", 2, 0, &[1]),
            ("RRR", 0, 0, &[3, 2, 1]),
            // Replaced one by one.
            ("OO", 2, 1, &[]),
            ("OOs", 2, 0, &[]),
            ("OOR", 2, 0, &[2]),
            ("OR", 2, 1, &[]),
            ("ORR", 2, 0, &[1]),
            // Those that do not serve are no loss.
            ("oo", 2, 2, &[1, 2]),
            ("oOs", 2, 0, &[1]),
            ("oOR", 2, 1, &[1]),
            ("O", 3, 3, &[]),
            ("OOOO", 2, 0, &[4, 3]),
            ("OOO", 0, 0, &[3, 2, 1]),
        ];
        for (text, wanted, start, end) in cases {
            let expected = Steps {
                start: *start,
                end: end.to_vec(),
            };
            assert_eq!(
                steps(&running(text), *wanted),
                expected,
                "{text:?} to {wanted}"
            );
        }
    }

    #[test]
    fn numbers_are_used_again() {
        assert_eq!(free_number(|_| false), 1);
        assert_eq!(free_number(|number| [1, 2, 4].contains(&number)), 3);
    }
}
