//! The store: what is in it, and what its writer does.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use portolan_model::Kind;
use portolan_store::{Index, Observer, Store};
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{counter::Counter, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{Sheet, buckets, seconds};

/// Most batches of one transaction that are told apart.
const LARGEST_GROUP: u32 = 512;

/// Tells of a store from now on.
pub(crate) fn observe(registry: &mut Registry, store: &dyn Store) {
    let writer = Writer {
        commits: seconds(),
        groups: buckets::sizes(LARGEST_GROUP),
        failures: Counter::default(),
        lags: seconds(),
    };
    registry.register_with_unit(
        "portolan_store_commit",
        "Duration of transactions that changed something",
        Unit::Seconds,
        writer.commits.clone(),
    );
    registry.register(
        "portolan_store_commit_batches",
        "Writes that went into one transaction together",
        writer.groups.clone(),
    );
    registry.register(
        "portolan_store_commit_failures",
        "Transactions that did not succeed",
        writer.failures.clone(),
    );
    registry.register_with_unit(
        "portolan_store_feed_lag",
        "Time until a write of another replica was in this index",
        Unit::Seconds,
        writer.lags.clone(),
    );
    registry.register_collector(Box::new(Content(Arc::clone(store.index()))));
    store.observe(Box::new(writer));
}

struct Writer {
    commits: Histogram,
    groups: Histogram,
    failures: Counter,
    lags: Histogram,
}

impl Observer for Writer {
    fn committed(&self, batches: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.groups.observe(batches as f64);
    }

    fn failed(&self) {
        self.failures.inc();
    }

    fn followed(&self, lag: Duration) {
        self.lags.observe(lag.as_secs_f64());
    }
}

#[derive(Debug)]
struct Content(Arc<Index>);

impl Collector for Content {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot();
        let mut sheet = Sheet::new(encoder);
        sheet.gauge(
            ("portolan_store_revision", None),
            "The newest revision of the store, that is, how many changes were written",
            snapshot.revision(),
        )?;
        let counts = Kind::all().map(|kind| {
            let label = ("kind", Cow::Borrowed(kind.name()));
            ([label], snapshot.count(kind, None))
        });
        sheet.gauges(
            ("portolan_store_resources", None),
            "Resources in the store",
            counts,
        )
    }
}
