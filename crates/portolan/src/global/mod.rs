//! `portolan global`: REST over the store of record, and KDS to the zones.
//!
//! ```text
//!   REST 5681 ─▶ store (Postgres or SQLite) ─▶ index ─▶ KDS 5685 ─▶ zones
//!                                                ▲          │
//!                              insights, Dataplanes of zones┘   status ─▶ GET /_status
//!   signals 5680 ◀── store, requests, status, propagation
//! ```

mod admission;
mod config;
mod metrics;
mod propagation;
mod status;

use std::sync::Arc;

use anyhow::Context;
use portolan_access::Tokens;
use portolan_api as api;
use portolan_kds::global::{GlobalConfig, Server};
use portolan_model::kinds;
use portolan_store::{Expect, Store, StoreError, Write};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub(crate) use config::Args;
use metrics::ZoneMetrics;
use propagation::Propagation;

use crate::{
    server::{listen, rest::RestListeners, storage, tasks::Tasks, tls},
    signals::{self, Diagnostics, Readiness, Signals},
    version,
};

/// The mesh that exists from the first start on.
const DEFAULT_MESH: &str = "default";

/// Runs until it is told to stop.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let data_dir = args.data_dir();
    let rest = RestListeners::bind(args.api_bind, args.api_tls)?;
    let kds_listener = listen::bind(args.kds_bind, "KDS (--kds-bind)")?;
    let mut tasks = Tasks::new(cancel.clone());
    let diagnostics = Diagnostics::serve(args.diagnostics.bind()?, &mut tasks, &cancel)?;
    let certificate = tls::server_certificate(&data_dir, &args.kds_tls, &args.kds_names)?;

    let keys = args.secret_keys.load(&data_dir)?;
    let store = storage::open(args.store.as_deref(), &data_dir, keys, cancel.clone()).await?;
    create_default_mesh(&*store).await?;
    let tokens = Arc::new(Tokens::of_global(Arc::clone(&store)));
    tokens.prepare().await?;
    let (keeper, stop) = (Arc::clone(&tokens), cancel.clone());
    tasks.spawn("signing keys", async move {
        keeper.keep_mesh_keys(stop).await;
        Ok(())
    });

    let instance = version::Instance::new();
    let kds = Server::new(
        GlobalConfig::new(
            instance.id.clone(),
            Arc::clone(&store),
            admission::of_zones(Arc::clone(&tokens), args.allow_anonymous_zones),
        ),
        cancel.clone(),
    );
    let mut registry = signals::registry();
    signals::observe_store(&mut registry, &*store);
    let (status_sender, status) = watch::channel(Arc::default());
    let follow = status::follow(
        instance.id.clone(),
        Arc::clone(store.index()),
        kds.zones(),
        status_sender,
        cancel.clone(),
    );
    tasks.spawn("status", async move {
        follow.await;
        Ok(())
    });
    let propagation = Propagation::new(&mut registry).follow(
        Arc::clone(store.index()),
        kds.zones(),
        cancel.clone(),
    );
    tasks.spawn("propagation", async move {
        propagation.await;
        Ok(())
    });
    registry.register_collector(Box::new(ZoneMetrics {
        status: status.clone(),
        kds: kds.clone(),
    }));
    let router = api::router(api::Api {
        role: api::Role::Global,
        instance: instance.for_api(store.index()),
        status,
        tokens,
        localhost_is_admin: args.administrators.localhost_is_admin,
        ..api::Api::new(Arc::clone(&store))
    });
    let router = signals::count_requests(&mut registry, router);
    info!(
        api = %rest.plain()?,
        api_tls = rest.tls().map(tracing::field::display),
        kds = %kds_listener.local_addr()?,
        diagnostics = diagnostics.address().map(tracing::field::display),
        data = %data_dir.display(),
        revision = store.index().snapshot().revision(),
        "global is ready"
    );
    diagnostics.tell(Signals {
        registry,
        readiness: Readiness::Store(store),
    });
    rest.serve(router, Arc::clone(&certificate), &mut tasks, &cancel);
    tasks.spawn(
        "KDS",
        listen::serve(
            kds_listener,
            kds.into_routes().into_axum_router(),
            Some(certificate),
            cancel,
        ),
    );
    tasks.run().await
}

async fn create_default_mesh(store: &dyn Store) -> anyhow::Result<()> {
    let mesh = portolan_model::ResourceKey::global(kinds::MESH, DEFAULT_MESH);
    if store.index().snapshot().get(&mesh).is_some() {
        return Ok(());
    }
    let spec = kinds::MESH.spec_from_json(&serde_json::json!({}))?;
    let write = Write::Put {
        key: mesh,
        labels: Default::default(),
        spec,
        expect: Expect::Absent,
        created: None,
    };
    match store.commit(write.into()).await {
        // Another replica was faster.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error).context("cannot create the default mesh"),
    }
}
