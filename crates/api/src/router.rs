//! Which path leads where: made from the registry of kinds.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    middleware,
    response::Response,
    routing::{MethodRouter, get, post},
};
use http::StatusCode;
use portolan_model::{Kind, Scope, kinds};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    absent, access, answer, authentication,
    call::Call,
    config::Api,
    gateway_dataplanes, gateways, guard, index_document,
    insights::{mesh, service},
    kinds_document,
    problem::Problem,
    read::{View, insight_of, list::list, one::one},
    tokens, watch,
    write::{apply::apply, delete::delete, put::put},
};

/// What every handler gets.
pub(crate) type Shared = Arc<Api>;

/// The whole API.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let router = Kind::all().fold(absent::routes(views()), with_kind);
    let router = router
        .fallback(async || answer::plain(StatusCode::NOT_FOUND, "404: Page Not Found"))
        .method_not_allowed_fallback(async || {
            answer::plain(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed")
        });
    router
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            authentication::authenticate,
        ))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            guard::guard,
        ))
        .with_state(api)
}

/// What is no resource.
fn views() -> Router<Shared> {
    Router::new()
        .route("/", get(index_document::index))
        .route("/_health", get(index_document::health))
        .route("/_ready", get(index_document::health))
        .route("/_resources", get(kinds_document::list))
        .route("/policies", get(kinds_document::policies))
        .route("/_status", get(status))
        .route("/_apply", post(apply))
        .route("/tokens/dataplane", post(tokens::dataplane))
        .route("/tokens/zone", post(tokens::zone))
        .route("/tokens/user", post(tokens::user))
        .route("/mesh-insights", get(mesh::list))
        .route("/mesh-insights/{name}", get(mesh::one))
        .route("/service-insights", get(service::list))
        .route("/meshes/{mesh}/service-insights", get(service::list))
        .route("/meshes/{mesh}/service-insights/{name}", get(service::one))
        .route(
            "/meshes/{mesh}/meshgateways/{name}/dataplanes",
            get(gateway_dataplanes::list),
        )
        .route(
            "/meshes/{mesh}/meshgateways/{name}/_explain",
            get(gateways::explain::explain),
        )
        .route("/meshes/{mesh}/_lint", get(gateways::lint::lint))
        .route(
            "/meshes/{mesh}/dataplanes/{name}/policies",
            get(gateways::policies::policies),
        )
        .route(
            "/meshes/{mesh}/dataplanes/{name}/_config",
            get(gateways::config::config),
        )
}

/// Other names of collections, which Kuma has too.
const ALIASES: [(Kind, &str); 1] = [(kinds::ZONE_INGRESS, "zone-ingresses")];

/// The paths of one kind.
fn with_kind(router: Router<Shared>, kind: Kind) -> Router<Shared> {
    let aliases = ALIASES.iter().filter(|(of, _)| *of == kind);
    let plurals = aliases.map(|(_, alias)| *alias).chain([kind.plural]);
    plurals.fold(router, |router, plural| with_paths(router, kind, plural))
}

/// The paths of one kind below this collection.
fn with_paths(router: Router<Shared>, kind: Kind, plural: &str) -> Router<Shared> {
    let (base, across_meshes) = match kind.scope {
        Scope::Global => (format!("/{plural}"), None),
        Scope::Mesh => (
            format!("/meshes/{{mesh}}/{plural}"),
            Some(format!("/{plural}")),
        ),
    };
    let mut router = router.route(&format!("{base}/{{name}}"), item(kind, View::Resource));
    if kind.policy || kind == kinds::MESH_GATEWAY_ROUTE {
        let dataplanes =
            get(async move |state, call| gateways::dataplanes::dataplanes(kind, state, call).await);
        router = router.route(&format!("{base}/{{name}}/dataplanes"), dataplanes);
    }
    for collection in [Some(&base), across_meshes.as_ref()].into_iter().flatten() {
        router = router.route(collection, all(kind, View::Resource));
        if let Some(insight) = insight_of(kind) {
            let view = View::Overview(insight);
            router = router.route(&format!("{collection}/_overview"), all(kind, view));
            // The older path of the same.
            router = router.route(&format!("{collection}+insights"), all(kind, view));
        }
    }
    if let Some(insight) = insight_of(kind) {
        let view = View::Overview(insight);
        router = router
            .route(&format!("{base}/{{name}}/_overview"), single(kind, view))
            .route(&format!("{base}+insights/{{name}}"), single(kind, view));
    }
    router
}

fn all(kind: Kind, view: View) -> MethodRouter<Shared> {
    get(async move |state: State<Shared>, call: Call| {
        access::check(kind, &call.user)?;
        Ok::<_, Problem>(access::seal(kind, list(kind, view, state, call).await))
    })
}

fn single(kind: Kind, view: View) -> MethodRouter<Shared> {
    get(async move |state: State<Shared>, call: Call| {
        access::check(kind, &call.user)?;
        Ok::<_, Problem>(access::seal(kind, one(kind, view, state, call).await))
    })
}

fn item(kind: Kind, view: View) -> MethodRouter<Shared> {
    single(kind, view)
        .put(async move |state: State<Shared>, call: Call, body| {
            access::check(kind, &call.user)?;
            put(kind, state, call, body).await
        })
        .delete(async move |state: State<Shared>, call: Call| {
            access::check(kind, &call.user)?;
            delete(kind, state, call).await
        })
}

/// `GET /_status`: who has what; with `watch` a line at once and whenever it changes.
async fn status(State(api): State<Shared>, call: Call) -> Response {
    if call.query.is("watch") {
        return answer::stream(watch::value(api.status.clone()));
    }
    let status = Arc::clone(&api.status.borrow());
    answer::json(StatusCode::OK, &*status)
}
