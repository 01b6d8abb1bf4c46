//! Requests of the REST API.

use std::time::Instant;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::Response,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::seconds;

/// What is told of a request: nothing that its sender could make up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    /// As in the router, with `{mesh}` and `{name}` for what stands there.
    route: String,
    status: &'static str,
}

type Requests = Family<Labels, Histogram, fn() -> Histogram>;

/// The router, with its requests counted and timed. An answer that goes on, such as a watch, counts when
/// it begins.
pub(crate) fn count_requests(registry: &mut Registry, router: Router) -> Router {
    let requests = Requests::new_with_constructor(seconds);
    registry.register_with_unit(
        "portolan_rest_request",
        "Requests of the REST API by their duration until the answer begins",
        Unit::Seconds,
        requests.clone(),
    );
    router.layer(middleware::from_fn_with_state(requests, count))
}

async fn count(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let status = class(response.status());
    let labels = Labels {
        method,
        route,
        status,
    };
    requests
        .get_or_create(&labels)
        .observe(start.elapsed().as_secs_f64());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::{body::Body, routing::get};
    use prometheus_client::encoding::prometheus_text;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn what_users_make_up_is_no_label() {
        let mut registry = Registry::default();
        let router = Router::new().route("/meshes/{name}", get(async || "one"));
        let router = count_requests(&mut registry, router);
        for (method, path) in [
            ("GET", "/meshes/a"),
            ("GET", "/meshes/b"),
            ("BREW", "/meshes/a"),
            ("GET", "/secrets/of/mine"),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap();
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        let mut counts: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("portolan_rest_request_seconds_count"))
            .collect();
        counts.sort_unstable();
        assert_eq!(
            counts,
            [
                r#"{method="GET",route="/meshes/{name}",status="2xx"} 2"#,
                r#"{method="GET",route="none",status="4xx"} 1"#,
                r#"{method="other",route="/meshes/{name}",status="4xx"} 1"#,
            ]
        );
    }
}
