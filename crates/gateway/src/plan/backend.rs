//! Reads the backends of a rule.

use std::sync::Arc;

use portolan_proto::mesh::mesh_gateway_route::Backend as Spec;

use super::{action::Backend, destination::Destination, interner::Interner};
use crate::fault::Reason;

/// What is wrong with a rule: field below the rule, and reason. The whole rule is left out then.
pub(super) type Broken = (String, Reason);

/// Reads the backends of a rule. Those of equal destination share one place, with the sum of their
/// weights.
pub(super) fn read_all(
    specs: &[Spec],
    destinations: &mut Interner<Destination>,
) -> Result<Box<[Backend]>, Broken> {
    let mut backends: Vec<Backend> = Vec::with_capacity(specs.len());
    let mut sum: u32 = 0;
    for (position, spec) in specs.iter().enumerate() {
        let destination = destination(spec, destinations).ok_or_else(|| {
            (
                format!("backends[{position}].destination"),
                Reason::NoService,
            )
        })?;
        // The weight of a single backend says nothing, so leaving it out does not mean "none".
        let weight = if specs.len() == 1 {
            spec.weight.max(1)
        } else {
            spec.weight
        };
        sum = sum
            .checked_add(weight)
            .ok_or_else(|| ("backends".to_owned(), Reason::TooMuchWeight))?;
        match backends
            .iter_mut()
            .find(|backend| Arc::ptr_eq(&backend.destination, &destination))
        {
            Some(same) => same.weight += weight,
            None => backends.push(Backend {
                destination,
                weight,
            }),
        }
    }
    match (backends.is_empty(), sum) {
        (true, _) => Err(("backends".to_owned(), Reason::NoBackends)),
        (false, 0) => Err(("backends".to_owned(), Reason::NoWeight)),
        _ => Ok(backends.into()),
    }
}

/// Whom a backend names; nothing if it names no service.
pub(super) fn destination(
    spec: &Spec,
    destinations: &mut Interner<Destination>,
) -> Option<Arc<Destination>> {
    Destination::new(spec.destination.clone()).map(|destination| destinations.intern(destination))
}
