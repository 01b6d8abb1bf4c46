//! One gateway instance: started again when it ends, until it is told to.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use portolan_dataplane::{
    envoy::Envoy,
    run::{self, Phase, ProxyType, RunConfig},
};
use portolan_identity::{Secret, tls::Trust};
use portolan_model::kinds::mesh_gateway_instance::limits;
use portolan_proto::status::{Share, pooled_instance};
use serde_json::json;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A run that lasted so long did not end for the reason of the one before.
const STEADY: Duration = Duration::from_secs(60);

/// What is the same for all instances of the pool.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Name of the pool.
    pub(super) pool: String,
    /// Where the listeners listen.
    pub(super) address: IpAddr,
    /// Whom to believe that it is the zone.
    pub(super) trust: Trust,
    /// The token of all instances and of the pool itself.
    pub(super) token: Option<Secret>,
    /// The zone's data plane port.
    pub(super) zone_url: String,
    /// The Envoy to run.
    pub(super) envoy: Envoy,
    /// Folder for a folder of each instance.
    pub(super) work_dir: Option<PathBuf>,
    /// How long open connections may take to end.
    pub(super) drain_time: Duration,
    /// How long of that they take new connections at least.
    pub(super) drain_delay: Duration,
    /// Worker threads where the gateway has no limit.
    pub(super) concurrency: Option<u32>,
    /// What Envoys log.
    pub(super) log_level: String,
}

impl Host {
    /// The name of an instance's Dataplane. No two pools have one in common: no pool has a dot in its name.
    pub(super) fn instance_name(&self, gateway: &str, number: u32) -> String {
        format!("{gateway}-{number}.{}", self.pool)
    }

    /// How to run an instance of that name.
    fn config(&self, share: &Share, name: &str) -> RunConfig {
        let limits = limits(share.resources.as_ref());
        let dataplane = json!({
            "type": "Dataplane",
            "mesh": share.mesh,
            "name": name,
            "networking": {
                "address": self.address.to_string(),
                "gateway": { "type": "BUILTIN", "tags": share.tags },
            },
        });
        RunConfig {
            zone_url: self.zone_url.clone(),
            trust: self.trust.clone(),
            proxy_type: ProxyType::Dataplane,
            dataplane: dataplane.to_string(),
            variables: Default::default(),
            token: self.token.clone(),
            envoy: self.envoy.clone(),
            work_dir: self.work_dir.as_ref().map(|dir| dir.join(name)),
            drain_time: self.drain_time,
            drain_delay: self.drain_delay,
            concurrency: limits.workers.or(self.concurrency),
            max_heap_bytes: limits.memory_bytes,
            log_level: self.log_level.clone(),
        }
    }
}

/// How an instance is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// How far it is.
    pub(super) phase: pooled_instance::Phase,
    /// Why it does not serve, empty if nothing went wrong.
    pub(super) message: String,
}

/// Runs an instance until `stop`, then drains it.
pub(super) async fn supervise(
    host: &Host,
    share: &Share,
    name: &str,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let mut pauses = pauses();
    loop {
        let start = Instant::now();
        let (phase, phases) = watch::channel(Phase::default());
        let running = run::run(host.config(share, name), phase, stop.clone());
        let (ended, ()) = tokio::join!(running, follow(phases, &state));
        let Err(error) = ended else { return };
        if stop.is_cancelled() {
            return;
        }
        if start.elapsed() >= STEADY {
            pauses = self::pauses();
        }
        let pause = pauses.next().unwrap_or(LAST_PAUSE);
        warn!(instance = name, %error, ?pause, "instance ended; starting it again");
        state.send_modify(|state| state.message = error.to_string());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Keeps the state up to date until the run has ended.
async fn follow(mut phases: watch::Receiver<Phase>, state: &watch::Sender<State>) {
    while phases.changed().await.is_ok() {
        let phase = match &*phases.borrow_and_update() {
            Phase::Live { .. } => pooled_instance::Phase::Ready,
            Phase::Starting => pooled_instance::Phase::Starting,
            Phase::Draining => pooled_instance::Phase::Draining,
            // Whether that is the end is for the supervisor to say.
            Phase::Stopped => return state.send_modify(|state| state.phase = state.after_a_run()),
        };
        state.send_modify(|state| {
            state.phase = phase;
            if phase == pooled_instance::Phase::Ready {
                state.message.clear();
            }
        });
    }
}

impl State {
    fn after_a_run(&self) -> pooled_instance::Phase {
        match self.phase {
            pooled_instance::Phase::Draining => pooled_instance::Phase::Draining,
            _ => pooled_instance::Phase::Starting,
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LAST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
