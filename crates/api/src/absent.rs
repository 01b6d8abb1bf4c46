//! Kinds of Kuma that Portolan does not have: nobody has any, and their lists say so. `kumactl` prints an
//! empty table then, where it would fail on a path that is not known.

use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use portolan_model::{Kind, kinds};

use crate::{
    answer, call::Call, problem::Problem, read::page::Paging, router::Shared,
    write::refusal::check_mesh,
};

/// Collections beside the meshes.
const GLOBAL: [&str; 2] = ["hostnamegenerators", "zoneegresses"];

/// Those whose overviews are asked for.
const WITH_OVERVIEW: [&str; 1] = ["zoneegresses"];

/// Collections of a mesh.
const OF_MESH: [&str; 22] = [
    "meshaccesslogs",
    "meshcircuitbreakers",
    "meshexternalservices",
    "meshfaultinjections",
    "meshhealthchecks",
    "meshhttproutes",
    "meshidentities",
    "meshloadbalancingstrategies",
    "meshmetrics",
    "meshmultizoneservices",
    "meshpassthroughs",
    "meshproxypatches",
    "meshratelimits",
    "meshretries",
    "meshservices",
    "meshtcproutes",
    "meshtimeouts",
    "meshtlses",
    "meshtraces",
    "meshtrafficpermissions",
    "meshtrusts",
    "workloads",
];

/// Adds the paths of all of them.
pub(crate) fn routes(router: Router<Shared>) -> Router<Shared> {
    let absent = |plural: &&str| Kind::by_plural(plural).is_none();
    let mut router = router;
    for plural in GLOBAL.into_iter().filter(absent) {
        router = with_collection(router, &format!("/{plural}"));
        if WITH_OVERVIEW.contains(&plural) {
            router = router.route(&format!("/{plural}/_overview"), get(list));
        }
    }
    for plural in OF_MESH.into_iter().filter(absent) {
        let base = format!("/meshes/{{mesh}}/{plural}");
        router = with_collection(router, &base).route(&format!("/{plural}"), get(list));
    }
    router
}

fn with_collection(router: Router<Shared>, collection: &str) -> Router<Shared> {
    let one = get(one).put(write).delete(one);
    router
        .route(collection, get(list))
        .route(&format!("{collection}/{{name}}"), one)
}

async fn list(State(api): State<Shared>, call: Call) -> Result<Response, Problem> {
    let paging = Paging::of(&call.query)?;
    if !call.mesh.is_empty() {
        // Any kind of a mesh.
        check_mesh(&api.store.index().snapshot(), kinds::DATAPLANE, &call.mesh)?;
    }
    let nothing = std::iter::empty::<()>();
    let page = paging.cut(&call, 0, nothing, Ok)?;
    Ok(answer::json(StatusCode::OK, &page))
}

async fn one(_: Call) -> Problem {
    Problem::not_found("Could not retrieve a resource")
}

async fn write(_: Call) -> Problem {
    let detail = "Portolan has no such kind; GET /_resources tells those that it has";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Could not process a resource",
        detail,
    )
}
