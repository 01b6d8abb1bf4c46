//! `portolan-bench`: measures real processes on loopback and prints a table in Markdown.
//!
//! `gateway` runs a global on Postgres, two zones and one Envoy in each; `traffic` puts load on Envoys whose
//! routes Portolan arranged, and on others with the same routes; `leaves` on Envoys with lists of several
//! lengths; `zones` runs a hundred light KDS
//! clients against one global, `instances` a thousand light ADS clients against one zone. `make bench`,
//! `make bench-gateway` and `make bench-scale` call them.

mod client;
mod discovery;
mod envoy_share;
mod figures;
mod gateway;
mod instances;
mod policies;
mod process;
mod routes;
mod traffic;
mod zones;

use clap::Parser;

/// Measures Portolan with real processes on loopback.
#[derive(Parser, Debug)]
#[command(name = "portolan-bench", version)]
enum Bench {
    /// Propagation, write rate, CPU and memory with real Envoys
    Gateway(gateway::Args),
    /// Requests through gateways of many routes, TLS handshakes, and starts of instances
    Traffic(traffic::Args),
    /// Requests and loading times by the length of lists of routes
    Leaves(traffic::leaves::Args),
    /// A hundred zones on one global
    Zones(zones::Args),
    /// A thousand instances of one gateway in a zone
    Instances(instances::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Gateway(args) => gateway::run(args).await,
        Bench::Traffic(args) => traffic::run(args).await,
        Bench::Leaves(args) => traffic::leaves::run(args).await,
        Bench::Zones(args) => zones::run(args).await,
        Bench::Instances(args) => instances::run(args).await,
    }
}
