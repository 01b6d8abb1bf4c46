//! The port itself. It answers from the first moment on, before there is anything else to tell.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::encoding::prometheus_text;
use tokio_util::sync::CancellationToken;

use super::Signals;
use crate::server::{listen, tasks::Tasks};

const STARTING: &str = "it is starting";

type Started = Arc<OnceLock<Signals>>;

/// The port, and what is told there once the process has started.
pub(crate) struct Diagnostics {
    address: Option<SocketAddr>,
    started: Started,
}

impl Diagnostics {
    /// Serves on `listener`, if there is one, until cancelled.
    pub(crate) fn serve(
        listener: Option<TcpListener>,
        tasks: &mut Tasks,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let started = Started::default();
        let mut address = None;
        if let Some(listener) = listener {
            address = Some(listener.local_addr()?);
            let router = router(Arc::clone(&started));
            tasks.spawn(
                "signals",
                listen::serve(listener, router, None, cancel.clone()),
            );
        }
        Ok(Self { address, started })
    }

    /// Where they are served; `None` for nowhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The process has started.
    pub(crate) fn tell(self, signals: Signals) {
        // There was nothing before, for this takes the only value that could have set it.
        let _ = self.started.set(signals);
    }
}

fn router(started: Started) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(started)
}

async fn ready(State(started): State<Started>) -> Response {
    let answer = match started.get() {
        Some(signals) => signals.readiness.check().await,
        None => Err(STARTING.to_owned()),
    };
    match answer {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => unavailable(&format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(started): State<Started>) -> Response {
    let Some(signals) = started.get() else {
        return unavailable(&format!("{STARTING}\n"));
    };
    let mut text = String::new();
    match prometheus_text::encode(&mut text, &signals.registry) {
        Ok(()) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response(),
        Err(_) => unavailable("a metric cannot be written as text\n"),
    }
}

fn unavailable(text: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, text.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::body::to_bytes;

    use super::*;
    use crate::signals::{self, Readiness};

    async fn read(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_starting_process_is_not_ready_and_has_no_metrics() {
        let started = Started::default();
        let (status, reason) = read(ready(State(Arc::clone(&started))).await).await;
        assert_eq!((status, &*reason), (503, "not ready: it is starting\n"));
        assert_eq!(
            read(metrics(State(Arc::clone(&started))).await).await.0,
            503
        );

        let registry = signals::registry();
        let readiness = Readiness::Alone;
        let signals = Signals {
            registry,
            readiness,
        };
        assert!(started.set(signals).is_ok());
        assert_eq!(read(ready(State(Arc::clone(&started))).await).await.0, 200);
        let (status, text) = read(metrics(State(started)).await).await;
        assert_eq!(status, 200);
        assert!(text.contains("portolan_build_info{version="), "{text}");
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
    }
}
