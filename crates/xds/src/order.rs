//! In which order types are sent and removed, as data.

use crate::type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES, RUNTIME, SECRET};

/// What a step does with the resources of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Sends what is new or changed.
    Makes,
    /// Takes away what is gone.
    Breaks,
    /// Both in one response.
    Both,
}

impl Does {
    pub(crate) fn makes(self) -> bool {
        self != Self::Breaks
    }

    pub(crate) fn breaks(self) -> bool {
        self != Self::Makes
    }
}

/// Position of a step in [`STEPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Runtime,
    Secrets,
    Clusters,
    Endpoints,
    Listeners,
    Routes,
    Others,
    OldClusters,
    OldEndpoints,
    OldSecrets,
}

/// One step of bringing a proxy to a snapshot.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Id,
    /// `None`: every type that no other step names.
    pub(crate) type_url: Option<&'static str>,
    pub(crate) does: Does,
    /// The step that a snapshot must have been through before this one begins with it. `None`: this one takes
    /// the newest there is.
    pub(crate) after: Option<Id>,
    /// A later step that must be through with what this one was at last before this one goes on.
    pub(crate) with: Option<Id>,
}

const fn step(
    id: Id,
    type_url: Option<&'static str>,
    does: Does,
    after: Option<Id>,
    with: Option<Id>,
) -> Step {
    Step {
        id,
        type_url,
        does,
        after,
        with,
    }
}

/// Number of steps.
pub(crate) const COUNT: usize = 10;

/// All steps, in the order in which they are looked at, which is the order on the wire where nothing waits.
///
/// Envoy withholds its answer to clusters until they are warm, that is until it has their endpoints and
/// secrets. Hence endpoints and secrets wait for nobody, and an answer to clusters says that routes may use
/// them. Listeners that go are removed together with those that come, which may need their ports. A changed
/// listener serves nothing before it has its routes, so the next change waits for these.
#[rustfmt::skip]
pub(crate) const STEPS: [Step; COUNT] = [
    step(Id::Runtime,      Some(RUNTIME),   Does::Both,   None,                  None),
    step(Id::Secrets,      Some(SECRET),    Does::Makes,  None,                  None),
    step(Id::Clusters,     Some(CLUSTER),   Does::Makes,  Some(Id::Secrets),     None),
    step(Id::Endpoints,    Some(ENDPOINTS), Does::Makes,  None,                  None),
    step(Id::Listeners,    Some(LISTENER),  Does::Both,   Some(Id::Clusters),    Some(Id::Routes)),
    step(Id::Routes,       Some(ROUTES),    Does::Both,   Some(Id::Listeners),   None),
    step(Id::Others,       None,            Does::Both,   None,                  None),
    step(Id::OldClusters,  Some(CLUSTER),   Does::Breaks, Some(Id::Routes),      None),
    step(Id::OldEndpoints, Some(ENDPOINTS), Does::Breaks, Some(Id::OldClusters), None),
    step(Id::OldSecrets,   Some(SECRET),    Does::Breaks, Some(Id::OldClusters), None),
];

/// Types that every proxy asks for; one that has not done so yet cannot be said to serve.
pub(crate) const ALWAYS_ASKED: [&str; 2] = [CLUSTER, LISTENER];
/// Types that a proxy asks for if there are any.
pub(crate) const ASKED_IF_ANY: [&str; 3] = [ENDPOINTS, ROUTES, SECRET];

/// After a new or changed resource of the first type, Envoy waits for the one of the second type with the
/// same name, even if it has had it: it warms a cluster with endpoints that come after it. (A listener in
/// contrast takes the routes that Envoy already has.)
pub(crate) const RENEWS: (&str, &str) = (CLUSTER, ENDPOINTS);

/// Whether a first request without names asks for everything, and a state-of-the-world response must hold
/// everything.
pub(crate) fn is_wildcard(type_url: &str) -> bool {
    [CLUSTER, LISTENER].contains(&type_url)
}

/// The steps that make and break resources of a type.
pub(crate) fn steps_of(type_url: &str) -> (Id, Id) {
    let find = |matches: fn(Does) -> bool| {
        STEPS
            .iter()
            .find(|step| step.type_url == Some(type_url) && matches(step.does))
            .map_or(Id::Others, |step| step.id)
    };
    (find(Does::makes), find(Does::breaks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stands_at_its_position_and_after_those_it_waits_for() {
        for (position, step) in STEPS.iter().enumerate() {
            assert_eq!(step.id as usize, position);
            assert!(
                step.after
                    .iter()
                    .all(|earlier| (*earlier as usize) < position)
            );
        }
    }

    #[test]
    fn every_type_has_one_step_that_makes_and_one_that_breaks() {
        for type_url in [RUNTIME, SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTES] {
            let of = |matches: fn(Does) -> bool| {
                let steps = STEPS.iter().filter(|step| step.type_url == Some(type_url));
                steps.filter(|step| matches(step.does)).count()
            };
            assert_eq!((of(Does::makes), of(Does::breaks)), (1, 1), "{type_url}");
        }
        assert_eq!(steps_of("unknown"), (Id::Others, Id::Others));
    }
}
