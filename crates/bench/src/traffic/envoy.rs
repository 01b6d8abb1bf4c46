//! An Envoy of one worker, with its control plane.

use std::{fs, path::PathBuf};

use anyhow::{Context, ensure};
use portolan_sandbox::{Process, Sandbox, admin_get};
use serde_json::{Value, json};

use super::{
    control::Control,
    cores::{self, MEASURED},
};

/// A running Envoy.
pub(crate) struct Envoy {
    /// The process.
    pub(crate) process: Process,
    /// Its admin interface.
    pub(crate) admin: Admin,
}

/// The admin interface of an Envoy.
pub(crate) struct Admin(PathBuf);

impl Envoy {
    /// Starts one that asks this control plane for everything.
    pub(crate) fn start(sandbox: &Sandbox, name: &str, control: &Control) -> anyhow::Result<Self> {
        Self::with(sandbox, name, |bootstrap| {
            let over_ads = json!({
                "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3",
            });
            bootstrap["dynamic_resources"] = json!({
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{ "envoy_grpc": { "cluster_name": "ads" } }],
                },
                "cds_config": over_ads,
                "lds_config": over_ads,
            });
            bootstrap["static_resources"] = json!({ "clusters": [control_plane(control)] });
        })
    }

    /// Starts one whose bootstrap is completed by `complete`.
    pub(crate) fn with(
        sandbox: &Sandbox,
        name: &str,
        complete: impl FnOnce(&mut Value),
    ) -> anyhow::Result<Self> {
        let binary = std::env::var_os("ENVOY_BIN").context("ENVOY_BIN is not set")?;
        let admin = sandbox.folder().join(format!("{name}.sock"));
        let mut bootstrap = json!({
            "node": { "id": "bench", "cluster": "bench" },
            "admin": { "address": { "pipe": { "path": admin } } },
        });
        complete(&mut bootstrap);
        let config = sandbox.folder().join(format!("{name}.json"));
        fs::write(&config, bootstrap.to_string())?;
        let args = [
            "-c".into(),
            config.into(),
            "--concurrency".into(),
            "1".into(),
            "-l".into(),
            "error".into(),
            "--disable-hot-restart".into(),
        ];
        let process = cores::start(sandbox, name, binary.as_ref(), &args, MEASURED)?;
        Ok(Self {
            process,
            admin: Admin(admin),
        })
    }
}

impl Admin {
    /// Memory in MiB that Envoy has in use, by its own account.
    pub(crate) async fn allocated_mib(&self) -> anyhow::Result<f64> {
        let answer = admin_get(&self.0, "/memory").await?;
        let (_, after) = answer.split_once("\"allocated\"").context("no memory")?;
        let digits = after.chars().skip_while(|one| !one.is_ascii_digit());
        let digits: String = digits.take_while(char::is_ascii_digit).collect();
        let bytes: f64 = digits.parse()?;
        ensure!(bytes > 0.0, "no memory");
        Ok(bytes / f64::from(1 << 20))
    }
}

fn control_plane(control: &Control) -> Value {
    let socket = json!({
        "address": control.address.ip().to_string(), "port_value": control.address.port(),
    });
    let endpoint = json!({ "endpoint": { "address": { "socket_address": socket } } });
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    json!({
        "name": "ads",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
        },
        "load_assignment": { "cluster_name": "ads", "endpoints": [{ "lb_endpoints": [endpoint] }] },
    })
}
