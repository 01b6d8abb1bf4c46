//! Lets pools in, hears them, and sends each its share.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use portolan_identity::tokens::DataplaneClaims;
use portolan_model::validation;
use portolan_proto::status::{Assignment, PoolStatus, pool_service_server::PoolService};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{info, warn};

use super::roster::Roster;
use crate::zone::{admission::Admission, proxies::bearer};

/// The zone's answer to pools that join.
pub(super) struct Service {
    roster: Arc<Roster>,
    admission: Admission,
    cancel: CancellationToken,
}

impl Service {
    pub(super) fn new(
        roster: Arc<Roster>,
        admission: Admission,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            roster,
            admission,
            cancel,
        }
    }

    /// Checks the token of a pool, which holds for all instances that it may run.
    fn admit(&self, metadata: &MetadataMap) -> Result<Option<DataplaneClaims>, Status> {
        let Some(claims) = self.admission.of_pool(bearer(metadata))? else {
            return Ok(None);
        };
        if !claims.name.is_empty() {
            return Err(Status::permission_denied(format!(
                "the token is for the Dataplane {:?} alone; a pool names its Dataplanes by itself, \
                 so generate a token without a name",
                claims.name
            )));
        }
        Ok(Some(claims))
    }
}

type Assignments = Pin<Box<dyn Stream<Item = Result<Assignment, Status>> + Send>>;

#[tonic::async_trait]
impl PoolService for Service {
    type JoinStream = Assignments;

    async fn join(
        &self,
        request: Request<Streaming<PoolStatus>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let claims = self
            .admit(request.metadata())
            .inspect_err(|status| warn!(reason = status.message(), "pool refused"))?;
        let mut statuses = request.into_inner();
        let first = statuses.message().await?.unwrap_or_default();
        check_name(&first.name)?;
        let name = first.name.clone();
        let joined = self.roster.join(first, claims).map_err(|taken| {
            warn!(pool = name, "pool refused: its name is taken");
            Status::already_exists(taken.to_string())
        })?;
        info!(pool = name, "pool joined");
        let (roster, cancel) = (Arc::clone(&self.roster), self.cancel.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = hear(&roster, &name, joined.stream, statuses) => {}
                () = cancel.cancelled() => {}
            }
            roster.lose(&name, joined.stream);
            info!(pool = name, "pool is gone");
        });
        let assignments = WatchStream::new(joined.assignments);
        let assignments = assignments.filter_map(async |assignment| assignment.map(Ok));
        Ok(Response::new(Box::pin(assignments)))
    }
}

/// Until the pool ends its side, or its connection.
async fn hear(roster: &Roster, name: &str, stream: u64, mut statuses: Streaming<PoolStatus>) {
    while let Ok(Some(status)) = statuses.message().await {
        // A pool does not change its name.
        if status.name == name {
            roster.report(stream, status);
        }
    }
}

/// Names of Dataplanes end with a dot and the name of their pool.
fn check_name(name: &str) -> Result<(), Status> {
    if name.contains('.') || !validation::name(name).is_empty() {
        return Err(Status::invalid_argument(format!(
            "{name:?} cannot be the name of a pool: give --name lower-case letters, digits and -, and no dot"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_dots() {
        for (name, is_one) in [
            ("host-1", true),
            ("a", true),
            ("host.1", false),
            ("", false),
        ] {
            assert_eq!(check_name(name).is_ok(), is_one, "{name:?}");
        }
    }
}
