//! Makes many certificates at once, on all cores.

use std::{num::NonZero, sync::Arc, thread};

use jiff::Timestamp;
use portolan_identity::mesh::{MeshAuthorityError, WorkloadCertificate, WorkloadTags};
use portolan_model::ResourceKey;

use super::authorities::Signer;

/// A certificate that has to be made.
pub(super) struct Order {
    pub(super) dataplane: ResourceKey,
    /// The stream that gets it.
    pub(super) session: u64,
    pub(super) tags: WorkloadTags,
    pub(super) signer: Arc<Signer>,
    /// Why, for the log.
    pub(super) reason: &'static str,
}

impl Order {
    fn issue(&self, now: Timestamp) -> Result<WorkloadCertificate, MeshAuthorityError> {
        let Signer {
            authority,
            lifetime,
            ..
        } = &*self.signer;
        authority.issue(&self.dataplane.mesh, &self.tags, *lifetime, now)
    }
}

type Made = (Order, Result<WorkloadCertificate, MeshAuthorityError>);

/// Makes them; each comes back with what became of it.
pub(super) fn issue(orders: Vec<Order>, now: Timestamp) -> Vec<Made> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = orders.len().div_ceil(cores).max(1);
    let mut made = Vec::with_capacity(orders.len());
    thread::scope(|scope| {
        let shares: Vec<_> = orders
            .chunks(share)
            .map(|share| {
                let issue = |order: &Order| order.issue(now);
                scope.spawn(move || share.iter().map(issue).collect::<Vec<_>>())
            })
            .collect();
        for share in shares {
            // A panic there is a bug, and is one here too.
            made.extend(
                share
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
    });
    orders.into_iter().zip(made).collect()
}
