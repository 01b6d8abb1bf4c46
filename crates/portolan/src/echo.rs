//! `portolan echo`: answers every request with its own name, so that one sees who answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::{listen, tasks::Tasks};

/// Runs a small echo service: every answer names the service and repeats the request.
#[derive(ClapArgs, Debug)]
#[command(after_help = "Example:
  portolan echo --service api --bind 127.0.0.1:9001
  curl -s http://127.0.0.1:9001/hello")]
pub(crate) struct Args {
    /// What the answers say who they come from
    #[arg(long, default_value = "echo", value_name = "NAME")]
    service: String,

    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    bind: SocketAddr,

    /// Answers each request of this number with 503, so that one sees retries; `/healthz` and `/readyz` do not
    /// count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fail_every: Option<u64>,
}

/// What answers say.
#[derive(Debug)]
struct Service {
    name: String,
    fail_every: Option<u64>,
    requests: AtomicU64,
}

/// Runs until it is told to stop.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let listener = listen::bind(args.bind, "the echo service (--bind)")?;
    tracing::info!(service = args.service, address = %listener.local_addr()?, "echo is ready");
    let service = Arc::new(Service {
        name: args.service,
        fail_every: args.fail_every,
        requests: AtomicU64::new(0),
    });
    let router = Router::new()
        .route("/healthz", get(StatusCode::OK))
        .route("/readyz", get(StatusCode::OK))
        .fallback(echo)
        .with_state(service);
    let mut tasks = Tasks::new(cancel.clone());
    tasks.spawn("echo", listen::serve(listener, router, None, cancel));
    tasks.run().await
}

/// Names the service in a header too, for those who look at the headers alone.
const SERVICE_HEADER: HeaderName = HeaderName::from_static("x-echo-service");

async fn echo(State(service): State<Arc<Service>>, request: Request) -> Response {
    let number = service.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let fails = service
        .fail_every
        .is_some_and(|every| number.is_multiple_of(every));
    let headers: serde_json::Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    let answer = json!({
        "service": service.name,
        "request": number,
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers,
    });
    let status = match fails {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    let named = [(SERVICE_HEADER, service.name.clone())];
    (status, named, Json(answer)).into_response()
}
