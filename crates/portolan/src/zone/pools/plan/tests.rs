//! Pools that come, go, and may not run everything.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use portolan_identity::tokens::DataplaneClaims;
use portolan_proto::status::{PoolStatus, PooledInstance};

use super::{super::roster::Roster, *};

fn key(name: &str) -> GatewayKey {
    ("default".to_owned(), name.to_owned())
}

fn gateways(all: &[(&str, u32)]) -> Gateways {
    let gateway = |(name, wanted): &(&str, u32)| {
        let tags = [("kuma.io/service".to_owned(), (*name).to_owned())].into();
        let spec = MeshGatewayInstance {
            tags,
            ..MeshGatewayInstance::default()
        };
        let wanted = *wanted;
        (key(name), Gateway { wanted, spec })
    };
    all.iter().map(gateway).collect()
}

fn pool(name: &str) -> PoolStatus {
    PoolStatus {
        name: name.to_owned(),
        process_id: name.to_owned(),
        ..PoolStatus::default()
    }
}

fn instance(gateway: &str, phase: Phase, message: &str) -> PooledInstance {
    PooledInstance {
        mesh: "default".to_owned(),
        gateway: gateway.to_owned(),
        name: format!("{gateway}-1.host"),
        phase: phase.into(),
        message: message.to_owned(),
    }
}

fn counts(roster: &Roster, gateway: &str) -> Vec<u32> {
    let of = |member: &Member| member.held.get(&key(gateway)).copied().unwrap_or_default();
    roster.with(|all| all.values().map(of).collect())
}

#[test]
fn who_leaves_or_is_away_for_long_hands_over() {
    let roster = Roster::new();
    roster.join(pool("a"), None).unwrap();
    let b = roster.join(pool("b"), None).unwrap();
    let edge = gateways(&[("edge", 3)]);
    let share = |roster: &Roster| roster.with(|all| share_out(all, &edge, "zone-1"));
    share(&roster);
    assert_eq!(counts(&roster, "edge"), [2, 1]);

    roster.lose("b", b.stream);
    let now = Instant::now();
    let due = roster.with(|all| forget(all, now)).unwrap();
    assert!(due > now && due <= now + GRACE);
    share(&roster);
    assert_eq!(counts(&roster, "edge"), [2, 1], "it may come back");
    assert_eq!(
        roster.with(|all| forget(all, due + Duration::from_millis(1))),
        None
    );
    share(&roster);
    assert_eq!(counts(&roster, "edge"), [3]);

    roster.join(pool("c"), None).unwrap();
    let leaving = PoolStatus {
        leaving: true,
        ..pool("a")
    };
    roster.join(leaving, None).unwrap();
    share(&roster);
    assert_eq!(counts(&roster, "edge"), [0, 3]);
}

#[test]
fn a_token_says_what_a_pool_may_run() {
    let roster = Roster::new();
    let claims = |tag: &str, value: &str| DataplaneClaims {
        mesh: "default".to_owned(),
        proxy_type: "dataplane".to_owned(),
        tags: [(tag.to_owned(), [value.to_owned()].into())].into(),
        ..DataplaneClaims::default()
    };
    roster
        .join(pool("a"), Some(claims("kuma.io/service", "edge")))
        .unwrap();
    roster
        .join(pool("b"), Some(claims("kuma.io/zone", "zone-1")))
        .unwrap();
    roster
        .join(pool("c"), Some(claims("kuma.io/zone", "zone-2")))
        .unwrap();
    let both = gateways(&[("edge", 2), ("other", 2)]);
    roster.with(|all| share_out(all, &both, "zone-1"));
    assert_eq!(counts(&roster, "edge"), [1, 1, 0]);
    assert_eq!(counts(&roster, "other"), [0, 2, 0]);
}

#[test]
fn counts_tell_what_runs_and_what_is_missing() {
    let roster = Roster::new();
    let scaled = |roster: &Roster, wanted: u32| {
        let all = gateways(&[("edge", wanted)]);
        let count = roster.with(|members| scaled(members, &all, "zone-1").remove(0));
        (count.wanted, count.running, count.ready, count.message)
    };
    let none = "no pool is connected; start one with `portolan dp pool`".to_owned();
    assert_eq!(scaled(&roster, 2), (2, 0, 0, none));
    assert_eq!(scaled(&roster, 0), (0, 0, 0, String::new()));
    let instances = vec![
        instance("edge", Phase::Ready, ""),
        instance("edge", Phase::Starting, "no Envoy"),
        instance("edge", Phase::Draining, ""),
        instance("other", Phase::Ready, ""),
    ];
    let status = PoolStatus {
        instances,
        ..pool("a")
    };
    let joined = roster.join(status.clone(), None).unwrap();
    let reason = "edge-1.host: no Envoy".to_owned();
    assert_eq!(scaled(&roster, 2), (2, 3, 1, reason));
    let leaving = PoolStatus {
        leaving: true,
        ..status
    };
    roster.report(joined.stream, leaving);
    let nobody = "no connected pool may run it; see the pools' tokens".to_owned();
    assert_eq!(scaled(&roster, 2), (2, 3, 1, nobody));
}
