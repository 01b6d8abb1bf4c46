//! `portolan zone`: a durable copy of what the global says, and xDS for the zone's proxies.
//!
//! ```text
//!   global ◀─ KDS ─▶ store (SQLite) ─▶ index ─▶ compiler ─▶ sessions ─▶ ADS 5678 ─▶ Envoys
//!     ▲                  ▲                                     │
//!     ├── report ◀───────┴── insights, Dataplanes ◀────────────┘  what they acknowledge
//!     └── report ◀── pools 5678 ◀─▶ `portolan dp pool`, which run as many gateway instances as are wanted
//!   ingresses: what other zones are told of the zone's services, written into its ZoneIngresses
//!   identities: certificates of proxies in meshes with mutual TLS, joined by the compiler
//!   tickets: keys of TLS session tickets for gateways, joined by the compiler
//!   signals 5680 ◀── store, requests, compiler, sessions
//! ```

mod admission;
mod away;
mod bootstrap;
mod compiler;
mod config;
mod conversion;
mod identities;
mod ingresses;
mod insights;
mod metrics;
mod pools;
mod proxies;
mod registration;
mod report;
mod sessions;
mod tickets;

use std::sync::Arc;

use anyhow::Context;
use portolan_access::Tokens;
use portolan_api as api;
use portolan_identity::{
    tls::{Trust, client_config},
    tokens::SigningKey,
};
use portolan_kds::zone as kds;
use portolan_proto::status::ZoneStatus;
use portolan_store::Store;
use portolan_xds::AdsServer;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use admission::Admission;
use bootstrap::Bootstrap;
pub(crate) use config::Args;
use metrics::ZoneMetrics;
use pools::Pools;
use proxies::ZoneProxies;
use registration::Registrar;
use sessions::Sessions;
use tickets::Tickets;

use crate::{
    server::{listen, rest::RestListeners, storage, tasks::Tasks, tls},
    signals::{self, Diagnostics, Readiness, Signals},
    version,
};

/// Largest KDS message in bytes; Kuma's default.
const MAX_MESSAGE_BYTES: usize = 10 * 1024 * 1024;

/// A zone's own key for data plane tokens, in the data folder: zones made one before meshes had keys.
const OWN_KEY: &str = "dataplane-token.key";

/// Runs until it is told to stop.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let data_dir = args.data_dir();
    let rest = RestListeners::bind(args.api_bind, args.api_tls)?;
    let dp_listener = listen::bind(args.dp_bind, "data planes (--dp-bind)")?;
    let mut tasks = Tasks::new(cancel.clone());
    let diagnostics = Diagnostics::serve(args.diagnostics.bind()?, &mut tasks, &cancel)?;
    let certificate = tls::server_certificate(&data_dir, &args.dp_tls, &args.dp_names)?;
    let own_key = SigningKey::load(&data_dir.join(OWN_KEY))?;

    let keys = args.secret_keys.load(&data_dir)?;
    let store = storage::open(args.store.as_deref(), &data_dir, keys, cancel.clone()).await?;
    let tokens = Arc::new(Tokens::of_zone(Arc::clone(&store), own_key));
    tokens.prepare().await?;
    let instance = version::Instance::new();
    let sessions = Sessions::new();
    let pools = Pools::new();
    let (status_sender, status) = watch::channel(ZoneStatus::default());
    let mut registry = signals::registry();
    signals::observe_store(&mut registry, &*store);

    let compile_time = metrics::compile_time(&mut registry);
    spawn_compiler(&mut tasks, &args, &store, &sessions, compile_time, &cancel);
    spawn_report(
        &mut tasks,
        &store,
        &sessions,
        &pools,
        status_sender,
        &cancel,
    );
    spawn_insights(&mut tasks, &args, &store, &sessions, &instance.id, &cancel);
    spawn_ingresses(&mut tasks, &args, &store, &sessions, &cancel);
    let connected = watch::Sender::new(false);
    registry.register_collector(Box::new(ZoneMetrics {
        index: Arc::clone(store.index()),
        connected: connected.subscribe(),
        sessions: Arc::clone(&sessions),
    }));
    let config = sync_config(&args, &store, &instance.id, status, connected)?;
    let stop = cancel.clone();
    tasks.spawn("sync with the global", async move {
        Ok(kds::run(config, stop).await?)
    });
    let registrar = Registrar::new(
        &args.name,
        &instance.id,
        Arc::clone(&store),
        Arc::clone(&sessions),
        cancel.clone(),
    );
    tokio::spawn(Arc::clone(&registrar).sweep());

    let admission = if args.dp_without_token {
        warn!(
            "data planes need no token here (--dp-without-token): everybody may be any Dataplane"
        );
        Admission::of_everybody()
    } else {
        Admission::by(&args.name, Arc::clone(&tokens))
    };
    let bootstrap = Bootstrap {
        settings: bootstrap::settings(&args, &data_dir, &admission)?,
        registrar: Arc::clone(&registrar),
        admission: admission.clone(),
    };
    let proxies = ZoneProxies {
        sessions,
        registrar,
        admission: admission.clone(),
    };
    let grpc = tonic::service::Routes::new(AdsServer::new(Arc::new(proxies)).into_service())
        .add_service(pools.service(admission, cancel.clone()));
    let run = pools.run(args.name.clone(), Arc::clone(store.index()), cancel.clone());
    tasks.spawn("pools", async move {
        run.await;
        Ok(())
    });
    let router = grpc.into_axum_router().merge(bootstrap::router(bootstrap));
    let api = api::router(api::Api {
        role: api::Role::Zone {
            name: args.name.clone(),
        },
        instance: instance.for_api(store.index()),
        tokens,
        localhost_is_admin: args.administrators.localhost_is_admin,
        ..api::Api::new(Arc::clone(&store))
    });
    let api = signals::count_requests(&mut registry, api);
    info!(
        zone = args.name,
        api = %rest.plain()?,
        api_tls = rest.tls().map(tracing::field::display),
        dp = %dp_listener.local_addr()?,
        diagnostics = diagnostics.address().map(tracing::field::display),
        data = %data_dir.display(),
        "zone is ready"
    );
    diagnostics.tell(Signals {
        registry,
        readiness: Readiness::Alone,
    });
    rest.serve(api, Arc::clone(&certificate), &mut tasks, &cancel);
    tasks.spawn(
        "data plane server",
        listen::serve(dp_listener, router, Some(certificate), cancel),
    );
    tasks.run().await
}

fn spawn_compiler(
    tasks: &mut Tasks,
    args: &Args,
    store: &Arc<dyn Store>,
    sessions: &Arc<Sessions>,
    time: Histogram,
    cancel: &CancellationToken,
) {
    let (zone, index) = (args.name.clone(), Arc::clone(store.index()));
    let (sessions, cancel) = (Arc::clone(sessions), cancel.clone());
    let tickets = Tickets::new(args.ticket_key_interval);
    tasks.spawn("compiler", async move {
        compiler::run(&zone, index, sessions, tickets, time, cancel).await;
        Ok(())
    });
}

fn spawn_report(
    tasks: &mut Tasks,
    store: &Arc<dyn Store>,
    sessions: &Arc<Sessions>,
    pools: &Pools,
    status: watch::Sender<ZoneStatus>,
    cancel: &CancellationToken,
) {
    let report = report::run(
        Arc::clone(store.index()),
        Arc::clone(sessions),
        pools.scaled(),
        status,
        cancel.clone(),
    );
    tasks.spawn("status report", async move {
        report.await;
        Ok(())
    });
}

fn spawn_insights(
    tasks: &mut Tasks,
    args: &Args,
    store: &Arc<dyn Store>,
    sessions: &Arc<Sessions>,
    instance_id: &str,
    cancel: &CancellationToken,
) {
    let insights = insights::run(
        args.name.clone(),
        instance_id.to_owned(),
        Arc::clone(store),
        Arc::clone(sessions),
        cancel.clone(),
    );
    tasks.spawn("insights", async move {
        insights.await;
        Ok(())
    });
}

fn spawn_ingresses(
    tasks: &mut Tasks,
    args: &Args,
    store: &Arc<dyn Store>,
    sessions: &Arc<Sessions>,
    cancel: &CancellationToken,
) {
    let (zone, store) = (args.name.clone(), Arc::clone(store));
    let ingresses = ingresses::run(zone, store, Arc::clone(sessions), cancel.clone());
    tasks.spawn("services for other zones", async move {
        ingresses.await;
        Ok(())
    });
}

fn sync_config(
    args: &Args,
    store: &Arc<dyn Store>,
    instance_id: &str,
    status: watch::Receiver<ZoneStatus>,
    connected: watch::Sender<bool>,
) -> anyhow::Result<kds::ZoneConfig> {
    let trust = match (&args.global_ca, args.global_insecure) {
        (_, true) => Trust::Insecure,
        (Some(path), _) => {
            let pem = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {} (--global-ca)", path.display()))?;
            Trust::Authority(pem)
        }
        (None, _) => Trust::System,
    };
    Ok(kds::ZoneConfig {
        zone: args.name.clone(),
        globals: args.global.clone(),
        tls: Arc::new(client_config(&trust, &["h2"])?),
        token_file: args.global_token_file.clone(),
        instance_id: instance_id.to_owned(),
        store: Arc::clone(store),
        status,
        connected,
        max_message_bytes: MAX_MESSAGE_BYTES,
        keepalive: kds::Keepalive::default(),
    })
}
