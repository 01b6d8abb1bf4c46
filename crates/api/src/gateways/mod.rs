//! Views of gateways: what the compiler of gateways would say, asked over REST. Pure answers of the crate
//! `gateway` over charts that follow the store's index here.

pub(crate) mod config;
pub(crate) mod dataplanes;
pub(crate) mod explain;
pub(crate) mod lint;
mod matched;
mod members;
pub(crate) mod policies;

use std::sync::Arc;

use parking_lot::Mutex;
use portolan_gateway::chart::{Chart, Charts};
use portolan_model::Revision;
use portolan_store::{Change, Snapshot};

use crate::config::Role;

/// Charts that follow an index: made when first asked for, then kept up to date change by change whenever
/// they are asked for again.
#[derive(Debug, Default)]
pub struct GatewayCharts {
    followed: Mutex<Option<Followed>>,
}

#[derive(Debug)]
struct Followed {
    charts: Charts,
    seen: Revision,
}

impl GatewayCharts {
    /// The chart of a mesh, of this snapshot or a newer one. Costs what changed since the last call.
    ///
    /// While the value is kept, a change copies the chart; for a short look there is
    /// [`GatewayCharts::look`].
    pub(crate) fn mesh(&self, role: &Role, snapshot: &Snapshot, mesh: &str) -> Arc<Chart> {
        self.look(role, snapshot, mesh, Arc::clone)
    }

    /// Looks at a chart as [`GatewayCharts::mesh`] gives it, and holds up all others meanwhile.
    pub(crate) fn look<T>(
        &self,
        role: &Role,
        snapshot: &Snapshot,
        mesh: &str,
        look: impl FnOnce(&Arc<Chart>) -> T,
    ) -> T {
        let mut followed = self.followed.lock();
        // Deletions that were not seen have been forgotten: begin anew.
        let kept = followed
            .take()
            .filter(|kept| kept.seen >= snapshot.horizon());
        let followed = followed.insert(kept.unwrap_or_else(|| Followed {
            charts: Charts::new(here(role)),
            seen: 0,
        }));
        for kind in portolan_gateway::inputs() {
            for change in snapshot.changes_after(kind, followed.seen) {
                match change {
                    Change::Put(resource) => followed.charts.put(&resource),
                    Change::Deleted(key, _) => followed.charts.remove(&key),
                }
            }
        }
        followed.seen = followed.seen.max(snapshot.revision());
        look(&followed.charts.mesh(mesh))
    }

    /// How many revisions [`GatewayCharts::mesh`] would have to take over.
    pub(crate) fn behind(&self, snapshot: &Snapshot) -> Revision {
        let followed = self.followed.lock();
        let seen = followed.as_ref().map_or(0, |followed| followed.seen);
        snapshot.revision().saturating_sub(seen)
    }
}

/// The zone of Dataplanes that do not say theirs.
pub(crate) fn here(role: &Role) -> &str {
    match role {
        Role::Global => "",
        Role::Zone { name } => name,
    }
}
