//! What a real Envoy makes of it, in both protocols. These tests need the path of one in `ENVOY_BIN` and pass
//! without.

use std::{
    env, fs,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use portolan_sandbox::free_port;
use portolan_xds::type_urls::{CLUSTER, ENDPOINTS, LISTENER, ROUTES};
use tempfile::TempDir;

use crate::{
    backend::{self, ask},
    control::{Control, Event},
    resources::Wanted,
};

/// Envoy's names of the two protocols.
const PROTOCOLS: [&str; 2] = ["DELTA_GRPC", "GRPC"];

/// An Envoy that ends with the test.
struct Envoy {
    process: Child,
    _folder: TempDir,
}

impl Envoy {
    fn start(control: &Control, protocol: &str) -> Option<Self> {
        let binary = env::var_os("ENVOY_BIN")?;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bootstrap.yaml");
        fs::write(&path, bootstrap(control.address.port(), protocol)).unwrap();
        let process = Command::new(binary)
            .arg("-c")
            .arg(&path)
            .args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self {
            process,
            _folder: folder,
        })
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn bootstrap(port: u16, protocol: &str) -> String {
    format!(
        r#"
node: {{id: default.gateway, cluster: gateway}}
dynamic_resources:
  ads_config:
    api_type: {protocol}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{{envoy_grpc: {{cluster_name: ads}}}}]
  cds_config: {{ads: {{}}, initial_fetch_timeout: 0s, resource_api_version: V3}}
  lds_config: {{ads: {{}}, initial_fetch_timeout: 0s, resource_api_version: V3}}
static_resources:
  clusters:
  - name: ads
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: ads
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"#
    )
}

fn answer(name: &str) -> Option<(u16, String)> {
    Some((200, name.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_follows_every_change() {
    for protocol in PROTOCOLS {
        let control = Control::start().await;
        let Some(_envoy) = Envoy::start(&control, protocol) else {
            return;
        };
        let (one, two) = (backend::start("one"), backend::start("two"));
        let (port, other) = (free_port().unwrap(), free_port().unwrap());

        let mut wanted = Wanted::default();
        wanted.backend("a", 1, one);
        wanted.listener("l", port, "r", "l");
        wanted.table("r", "a", &["*"]);
        control.publish(wanted.snapshot(1));
        control.serves(1).await;
        assert_eq!(ask(port), answer("one"));

        // A new cluster that the routes use from the same snapshot on, instead of the old one.
        wanted.backend("b", 1, two);
        wanted.table("r", "b", &["*"]);
        wanted.remove(CLUSTER, "a");
        wanted.remove(ENDPOINTS, "a");
        control.publish(wanted.snapshot(2));
        control.serves(2).await;
        assert_eq!(ask(port), answer("two"));

        // Envoy warms a changed cluster only with endpoints that come after it.
        wanted.cluster("b", 2);
        control.publish(wanted.snapshot(3));
        control.serves(3).await;
        assert_eq!(ask(port), answer("two"));

        wanted.endpoint("b", one);
        control.publish(wanted.snapshot(4));
        control.serves(4).await;
        assert_eq!(ask(port), answer("one"));

        // A changed listener takes the routes that Envoy has.
        wanted.listener("l", port, "r", "changed");
        control.publish(wanted.snapshot(5));
        control.serves(5).await;
        assert_eq!(ask(port), answer("one"));

        // A listener of another name takes the port over.
        wanted.remove(LISTENER, "l");
        wanted.listener("m", port, "s", "m");
        wanted.remove(ROUTES, "r");
        wanted.table("s", "b", &["*"]);
        control.publish(wanted.snapshot(6));
        control.serves(6).await;
        assert_eq!(ask(port), answer("one"));

        wanted.listener("n", other, "s", "n");
        control.publish(wanted.snapshot(7));
        control.serves(7).await;
        assert_eq!(ask(other), answer("one"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_refuses_holds_up_nothing_else() {
    for protocol in PROTOCOLS {
        let control = Control::start().await;
        let Some(_envoy) = Envoy::start(&control, protocol) else {
            return;
        };
        let (one, two) = (backend::start("one"), backend::start("two"));
        let (port, other) = (free_port().unwrap(), free_port().unwrap());
        let mut wanted = Wanted::default();
        wanted.backend("a", 1, one);
        wanted.backend("b", 1, two);
        wanted.listener("l", port, "r", "l");
        wanted.table("r", "a", &["*"]);
        control.publish(wanted.snapshot(1));
        control.serves(1).await;

        wanted.bad_listener("bad", free_port().unwrap());
        wanted.listener("m", other, "s", "m");
        wanted.table("s", "b", &["*"]);
        wanted.table("r", "b", &["*"]);
        control.publish(wanted.snapshot(2));
        let refused = control
            .saw(|event| matches!(event, Event::Refused(_)))
            .await;
        let Event::Refused(refusal) = refused else {
            unreachable!()
        };
        assert_eq!(
            (refusal.type_url.as_str(), refusal.watermark),
            (LISTENER, 2)
        );
        assert!(refusal.message.contains("bad"), "{}", refusal.message);

        // Routes are still changed, and refused where they are bad.
        wanted.table("r", "b", &["x", "x"]);
        wanted.table("s", "a", &["*"]);
        control.publish(wanted.snapshot(3));
        control
            .saw(|event| matches!(event, Event::Refused(refusal) if refusal.type_url == ROUTES))
            .await;
        assert_eq!(ask(port), answer("two"));

        wanted.remove(LISTENER, "bad");
        wanted.table("r", "a", &["*"]);
        control.publish(wanted.snapshot(4));
        control.serves(4).await;
        assert_eq!((ask(port), ask(other)), (answer("one"), answer("one")));
        assert!(!control.log().contains(&Event::Serving(2)));
        assert!(!control.log().contains(&Event::Serving(3)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_clusters_come_and_go() {
    for protocol in PROTOCOLS {
        let control = Control::start().await;
        let Some(_envoy) = Envoy::start(&control, protocol) else {
            return;
        };
        let backend = backend::start("same");
        let port = free_port().unwrap();
        let mut wanted = Wanted::default();
        wanted.listener("l", port, "r", "l");
        wanted.backend("0", 1, backend);
        wanted.table("r", "0", &["*"]);
        control.publish(wanted.snapshot(0));
        control.serves(0).await;

        let stop = Arc::new(AtomicBool::new(false));
        let asking = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    answers.push(ask(port));
                }
                answers
            }
        });
        for turn in 1..100 {
            let (old, new) = ((turn - 1).to_string(), turn.to_string());
            wanted.remove(CLUSTER, &old);
            wanted.remove(ENDPOINTS, &old);
            wanted.backend(&new, 1, backend);
            wanted.table("r", &new, &["*"]);
            control.publish(wanted.snapshot(turn));
            // Some are overtaken by the next.
            if turn % 3 == 0 {
                control.serves(turn).await;
            }
        }
        stop.store(true, Ordering::Relaxed);
        let answers = asking.join().unwrap();
        let failed: Vec<_> = answers
            .iter()
            .filter(|got| **got != answer("same"))
            .collect();
        assert!(
            failed.is_empty(),
            "{protocol}: {failed:?} of {}",
            answers.len()
        );
    }
}
