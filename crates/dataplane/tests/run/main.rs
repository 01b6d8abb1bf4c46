//! A run from its start to its end, with an Envoy and a zone that do as they are told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use fake::{Admin, Machine, OBEDIENT, Running, Zone, config, is_alive, until};
use portolan_dataplane::run::{Phase, RunConfig, RunError};
use portolan_identity::{ca::Authority, tls::Trust};
use rustix::process::{Pid, Signal, kill_process};

const HELPER: &str = "PORTOLAN_TEST_RUN_IN";

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn envoy_starts_with_the_zones_bootstrap() {
    let machine = Machine::new(OBEDIENT);
    let _admin = Admin::serve(&machine.work_dir());
    let zone = Zone::serve(&[]).await;
    let mut running = Running::start(machine.config(&zone.url));
    let pid = running.live().await;
    assert_eq!(
        machine.until_started(1).await,
        [pid],
        "the process is Envoy itself"
    );

    let request = zone.requests.lock().unwrap().remove(0);
    assert_eq!((&*request.mesh, &*request.name), ("default", "gw-1"));
    assert!(request.has("feature-delta-grpc"));
    let file = machine.work_dir().join("envoy.yaml");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("value: the-token")
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let line = &machine.log()[0];
    for argument in ["--config-path ", "--disable-hot-restart", "--concurrency 1"] {
        assert!(line.contains(argument), "{line}");
    }

    running.cancel.cancel();
    running.ended().await.unwrap();
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn connections_end_before_envoy_does() {
    let machine = Machine::new(OBEDIENT);
    let admin = Admin::serve(&machine.work_dir());
    admin.connections.store(2, SeqCst);
    let zone = Zone::serve(&[]).await;
    let mut running = Running::start(machine.config(&zone.url));
    let pid = running.live().await;
    machine.until_started(1).await;

    running.cancel.cancel();
    until("two looks at the connections", || {
        (admin.calls().len() >= 4).then_some(())
    })
    .await;
    assert!(is_alive(pid));
    assert_eq!(*running.phase.borrow(), Phase::Draining);
    let [fail, drain, ..] = &admin.calls()[..] else {
        panic!()
    };
    assert_eq!(fail, "POST /healthcheck/fail");
    assert_eq!(drain, "POST /drain_listeners?graceful&skip_exit");

    admin.connections.store(0, SeqCst);
    let phase = running.phase.clone();
    running.ended().await.unwrap();
    assert_eq!(*phase.borrow(), Phase::Stopped);
    assert_eq!(machine.log().last().unwrap(), "term");
}

#[tokio::test]
async fn connections_that_do_not_end_are_cut_when_the_drain_time_is_over() {
    let machine = Machine::new(OBEDIENT);
    let admin = Admin::serve(&machine.work_dir());
    admin.connections.store(1, SeqCst);
    let zone = Zone::serve(&[]).await;
    let drain_time = Duration::from_millis(300);
    let config = machine.config(&zone.url);
    let mut running = Running::start(RunConfig {
        drain_time,
        ..config
    });
    running.live().await;
    machine.until_started(1).await;
    let start = Instant::now();
    running.cancel.cancel();
    running.ended().await.unwrap();
    assert!(start.elapsed() >= drain_time);
    assert_eq!(machine.log().last().unwrap(), "term");
}

#[tokio::test]
async fn new_connections_are_taken_for_the_drain_delay_even_if_none_is_open() {
    let machine = Machine::new(OBEDIENT);
    let admin = Admin::serve(&machine.work_dir());
    let zone = Zone::serve(&[]).await;
    let drain_delay = Duration::from_millis(300);
    let config = machine.config(&zone.url);
    let mut running = Running::start(RunConfig {
        drain_delay,
        ..config
    });
    let pid = running.live().await;
    machine.until_started(1).await;
    let start = Instant::now();
    running.cancel.cancel();
    until("the order to drain", || {
        (admin.calls().len() >= 2).then_some(())
    })
    .await;
    assert!(is_alive(pid), "somebody may still be sent here");
    running.ended().await.unwrap();
    assert!(start.elapsed() >= drain_delay);
    assert_eq!(
        admin.calls()[2],
        "GET /stats",
        "connections count once the delay is over"
    );
}

#[tokio::test]
async fn an_envoy_that_never_served_is_not_drained() {
    let machine = Machine::new(OBEDIENT);
    let admin = Admin::serve(&machine.work_dir());
    admin.ready.store(false, SeqCst);
    let zone = Zone::serve(&[]).await;
    let running = Running::start(machine.config(&zone.url));
    machine.until_started(1).await;
    running.cancel.cancel();
    running.ended().await.unwrap();
    assert!(admin.calls().is_empty());
}

#[tokio::test]
async fn an_envoy_that_dies_is_replaced() {
    let machine = Machine::new(OBEDIENT);
    let _admin = Admin::serve(&machine.work_dir());
    let zone = Zone::serve(&[]).await;
    let mut running = Running::start(machine.config(&zone.url));
    let first = running.live().await;
    machine.until_started(1).await;
    kill(first);
    let second = until("another Envoy", || match &*running.phase.borrow() {
        Phase::Live { pid, .. } if *pid != first => Some(*pid),
        _ => None,
    })
    .await;
    assert_eq!(machine.until_started(2).await, [first, second]);
    assert_eq!(
        zone.requests.lock().unwrap().len(),
        1,
        "the zone is not needed again"
    );
    running.cancel.cancel();
    running.ended().await.unwrap();
}

#[tokio::test]
async fn an_envoy_that_never_serves_ends_the_run_with_its_words() {
    let machine = Machine::new("echo 'invalid configuration' >&2; exit 1");
    let zone = Zone::serve(&[]).await;
    let error = Running::start(machine.config(&zone.url))
        .ended()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Envoy ended 5 times before it served (exit status: 1); its last words: invalid configuration"
    );
}

#[tokio::test]
async fn a_zone_that_is_away_is_asked_again() {
    let machine = Machine::new(OBEDIENT);
    let _admin = Admin::serve(&machine.work_dir());
    let zone = Zone::serve(&[(503, "not in sync yet"), (502, "")]).await;
    let mut running = Running::start(machine.config(&zone.url));
    running.live().await;
    assert_eq!(zone.requests.lock().unwrap().len(), 3);
    running.cancel.cancel();
    running.ended().await.unwrap();
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_the_zone_is_away() {
    let machine = Machine::new(OBEDIENT);
    let zone = Zone::serve(&[(503, ""); 100]).await;
    let running = Running::start(machine.config(&zone.url));
    until("a request", || zone.requests.lock().unwrap().pop()).await;
    running.cancel.cancel();
    running.ended().await.unwrap();
    assert!(machine.started().is_empty());
}

#[tokio::test]
async fn a_refusal_ends_the_run_with_the_zones_words() {
    let machine = Machine::new(OBEDIENT);
    let zone = Zone::serve(&[(422, "Dataplane Token is required.")]).await;
    let error = Running::start(machine.config(&zone.url))
        .ended()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the zone refused the bootstrap (422): Dataplane Token is required."
    );
}

#[tokio::test]
async fn a_zone_must_show_a_trusted_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, other] =
        ["ours", "other"].map(|name| Authority::load_or_create(&folder.path().join(name)).unwrap());
    let shown = ours.server_certificate(&["127.0.0.1".to_owned()]).unwrap();
    let zone = Zone::serve_tls(&shown).await;
    let machine = Machine::new(OBEDIENT);
    let _admin = Admin::serve(&machine.work_dir());
    let with = |authority: &Authority| {
        let mut config = machine.config(&zone.url);
        config.trust = Trust::Authority(authority.cert_pem().to_owned());
        Running::start(config)
    };

    let error = with(&other).ended().await.unwrap_err();
    assert!(matches!(error, RunError::Untrusted(_)), "{error}");
    assert!(error.to_string().contains("--ca-cert"), "{error}");

    let mut running = with(&ours);
    running.live().await;
    assert_eq!(zone.requests.lock().unwrap()[0].ca_cert, ours.cert_pem());
    running.cancel.cancel();
    running.ended().await.unwrap();
}

#[tokio::test]
async fn what_cannot_work_is_told_at_once() {
    let machine = Machine::new(OBEDIENT);
    let cases: [(&str, &str, &str); 4] = [
        ("zone:5678", fake::DATAPLANE, "give it as https://HOST:5678"),
        (
            "http://127.0.0.1:1",
            "name: {{ other }}",
            "--dataplane-var other=VALUE",
        ),
        ("http://127.0.0.1:1", "a: [", "the Dataplane cannot be read"),
        ("http://127.0.0.1:1", "mesh: default", "it has no name"),
    ];
    for (url, dataplane, expected) in cases {
        let mut config = machine.config(url);
        config.dataplane = dataplane.to_owned();
        let error = Running::start(config)
            .ended()
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_dropped_run_leaves_no_envoy() {
    let machine = Machine::new(OBEDIENT);
    let _admin = Admin::serve(&machine.work_dir());
    let zone = Zone::serve(&[]).await;
    let mut running = Running::start(machine.config(&zone.url));
    let pid = running.live().await;
    running.task.abort();
    until("Envoy's end", || (!is_alive(pid)).then_some(())).await;
}

/// Starts this test program again as the process that is killed.
#[tokio::test]
async fn a_killed_run_leaves_no_envoy() {
    let machine = Machine::new(OBEDIENT);
    let zone = Zone::serve(&[]).await;
    let folder = machine.work_dir();
    let mut helper = Command::new(env::current_exe().unwrap())
        .args(["--exact", "helper_that_runs_until_killed"])
        .env(
            HELPER,
            format!("{} {}", folder.parent().unwrap().display(), zone.url),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = machine.until_started(1).await[0];
    assert!(is_alive(pid));
    helper.kill().unwrap();
    helper.wait().unwrap();
    until("Envoy's end", || (!is_alive(pid)).then_some(())).await;
    assert!(
        !machine.log().contains(&"term".to_owned()),
        "it was the kernel that killed it"
    );
}

#[tokio::test]
async fn helper_that_runs_until_killed() {
    let Ok(arguments) = env::var(HELPER) else {
        return;
    };
    let (folder, url) = arguments.split_once(' ').unwrap();
    Running::start(config(Path::new(folder), url))
        .ended()
        .await
        .unwrap();
}
