//! No global, then no control plane at all: gateways never stop answering, and new instances start.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use portolan_sandbox::loopback_with_free_port;
use support::{answered, ask, gateway, global, mesh_gateway, route, route_url, sandbox, zone};

#[tokio::test(flavor = "multi_thread")]
async fn gateways_answer_and_start_without_the_global() {
    let sandbox = sandbox();
    let mut global = global(&sandbox).await;
    let mut zone = zone(&sandbox, "zone-1", &global).await;
    let echo = sandbox.echo("api-1", "api").await.unwrap();
    zone.register("default", "api-1", "api", echo.address)
        .await
        .unwrap();
    let port = portolan_sandbox::free_port().unwrap();
    let address = loopback_with_free_port(10, port).unwrap();
    global
        .http
        .put("/meshes/default/meshgateways/edge", &mesh_gateway(port))
        .await
        .unwrap();
    global
        .http
        .put(&route_url("api"), &route("api", "/api", "api"))
        .await
        .unwrap();
    let first = gateway(&sandbox, &zone, "gw-1", address).await;
    let listener = SocketAddr::new(address, port);
    answered(listener, "/api", "api").await;

    let asker = Asker::start(listener);
    global.process.kill().await.unwrap();
    zone.process.kill().await.unwrap();
    asker.answers(50).await;
    zone.start().await.unwrap();
    asker.answers(50).await;

    let elsewhere = loopback_with_free_port(20, port).unwrap();
    let second = gateway(&sandbox, &zone, "gw-2", elsewhere).await;
    answered(SocketAddr::new(elsewhere, port), "/api", "api").await;
    asker.answers(50).await;
    assert_eq!(
        asker.stop().await,
        0,
        "requests failed while control planes were away"
    );
    drop((first, second));
}

/// Asks without a pause, and counts what was not answered by the service.
struct Asker {
    answers: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Asker {
    fn start(listener: SocketAddr) -> Self {
        let (answers, failures) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let stop = Arc::<AtomicBool>::default();
        let (count, failed, ends) = (
            Arc::clone(&answers),
            Arc::clone(&failures),
            Arc::clone(&stop),
        );
        let task = tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let by_service = ask(listener, "/api").await.as_deref() == Some("api");
                let counter = if by_service { &count } else { &failed };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            answers,
            failures,
            stop,
            task,
        }
    }

    /// Waits for that many more answers.
    async fn answers(&self, more: usize) {
        let goal = self.answers.load(Ordering::Relaxed) + more;
        portolan_sandbox::until("more answers", support::LIMIT, async || {
            (self.answers.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await
        .unwrap();
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.failures.load(Ordering::Relaxed)
    }
}
