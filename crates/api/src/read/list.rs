//! `GET` of a collection.

use axum::{extract::State, response::Response};
use http::StatusCode;
use portolan_model::Kind;

use super::{View, filter::Filter, page::Paging};
use crate::{
    answer, call::Call, problem::Problem, router::Shared, watch, write::refusal::check_mesh,
};

/// A page of a collection, of one mesh or across all; with `watch` the collection and its changes.
pub(crate) async fn list(
    kind: Kind,
    view: View,
    State(api): State<Shared>,
    call: Call,
) -> Result<Response, Problem> {
    let paging = Paging::of(&call.query)?;
    let filter = Filter::of(kind, &call.query)
        .map_err(|violations| Problem::invalid("Could not retrieve resources", violations))?;
    let snapshot = api.store.index().snapshot();
    let mesh = (!call.mesh.is_empty()).then_some(call.mesh.as_str());
    if let Some(mesh) = mesh {
        check_mesh(&snapshot, kind, mesh)?;
    }
    if call.query.is("watch") {
        let index = api.store.index().subscribe();
        let lines = watch::collection(index, kind, call.mesh, filter, call.user);
        return Ok(answer::stream(lines));
    }
    let show = |resource| view.show(&snapshot, resource, &call.user);
    let page = if filter.takes_all() {
        let total = snapshot.count(kind, mesh);
        paging.cut(
            &call,
            total,
            snapshot.list(kind, mesh).map(|found| &**found),
            show,
        )?
    } else {
        let taken: Vec<_> = snapshot
            .list(kind, mesh)
            .map(|found| &**found)
            .filter(|found| filter.takes(found))
            .collect();
        paging.cut(&call, taken.len(), taken.into_iter(), show)?
    };
    Ok(answer::json(StatusCode::OK, &page))
}
