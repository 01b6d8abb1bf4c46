#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use portolan_identity::mesh;
use portolan_store::{Expect, Store, Write, memory};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;

const LIFETIME: i64 = 100;

/// Two authorities; their keys take long to find.
static CA: LazyLock<[(String, String); 2]> = LazyLock::new(|| {
    ["ca-1", "ca-2"].map(|name| {
        let year = Duration::from_secs(365 * 86_400);
        let (cert, key) = mesh::create("default", name, 2048, year, Timestamp::now()).unwrap();
        (cert, key.expose().to_owned())
    })
});

struct Zone {
    store: Arc<dyn Store>,
    identities: Identities,
    open: HashMap<ResourceKey, OpenStream>,
    now: Timestamp,
}

impl Zone {
    fn new() -> Self {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        Self {
            store: memory::new(CancellationToken::new()),
            identities: Identities::default(),
            open: HashMap::new(),
            now,
        }
    }

    async fn put(&self, kind: portolan_model::Kind, mesh: &str, name: &str, spec: &Value) {
        let key = ResourceKey {
            kind,
            mesh: mesh.into(),
            name: name.into(),
        };
        let write = Write::Put {
            spec: kind.spec_from_json(spec).unwrap(),
            key,
            labels: Default::default(),
            expect: Expect::Any,
            created: None,
        };
        self.store.commit(write.into()).await.unwrap();
    }

    async fn mesh(&self, enabled: &str, backends: &[usize]) {
        let backends: Vec<_> = backends
            .iter()
            .map(|number| {
                let (cert, key) = &CA[*number];
                json!({
                    "name": format!("ca-{}", number + 1), "type": "provided",
                    "dpCert": { "rotation": { "expiration": format!("{LIFETIME}s") } },
                    "conf": { "cert": { "inlineString": cert }, "key": { "inlineString": key } },
                })
            })
            .collect();
        let spec = json!({ "mtls": { "enabledBackend": enabled, "backends": backends } });
        self.put(kinds::MESH, "", "default", &spec).await;
    }

    async fn dataplane(&self, name: &str, service: &str) {
        let spec = json!({ "networking": { "address": "127.0.0.1", "inbound": [
            { "port": 80, "tags": { "kuma.io/service": service } },
        ] } });
        self.put(kinds::DATAPLANE, "default", name, &spec).await;
    }

    fn connect(&mut self, name: &str, service: &str, session: u64) -> ResourceKey {
        let key = ResourceKey::in_mesh(kinds::DATAPLANE, "default", name);
        let tags = [(
            "kuma.io/service".to_owned(),
            BTreeSet::from([service.to_owned()]),
        )];
        let stream = OpenStream {
            id: session,
            admitted: Arc::new(tags.into()),
            log_pipe: None,
        };
        self.open.insert(key.clone(), stream);
        key
    }

    fn round(&mut self) -> bool {
        let stored = self.store.index().snapshot();
        self.identities.refresh(&stored, &self.open, self.now)
    }

    fn standing(&mut self, key: &ResourceKey) -> Standing {
        let stored = self.store.index().snapshot();
        let secrets = Arc::new(Resources::new());
        let stream = self.open[key].clone();
        self.identities
            .standing(&stored, key, &stream, &secrets, &Trusts::NONE)
    }

    /// What a proxy has: the version of its certificate, and its state.
    fn has(&mut self, key: &ResourceKey) -> (Resource, IdentityState) {
        let Standing::Has(secrets, state) = self.standing(key) else {
            panic!("no identity")
        };
        let names: Vec<_> = secrets.keys().map(|name| &**name).collect();
        assert_eq!(
            names,
            ["identity_cert:secret:default", "mesh_ca:secret:default"]
        );
        (secrets["identity_cert:secret:default"].clone(), state)
    }
}

#[tokio::test]
async fn a_certificate_is_kept_until_four_fifths_of_its_life() {
    let mut zone = Zone::new();
    zone.mesh("ca-1", &[0]).await;
    zone.dataplane("web", "web").await;
    let web = zone.connect("web", "web", 1);
    zone.round();
    let (first, state) = zone.has(&web);
    assert_eq!(
        state.expires,
        zone.now + SignedDuration::from_secs(LIFETIME)
    );
    assert_eq!((state.regenerations, &*state.issued_backend), (1, "ca-1"));

    let renewal = zone.now + SignedDuration::from_secs(LIFETIME * 4 / 5);
    assert_eq!(zone.identities.next_renewal(), Some(renewal));
    zone.now = renewal - SignedDuration::from_millis(1);
    zone.round();
    assert_eq!(zone.has(&web).0, first);
    zone.now = renewal;
    zone.round();
    let (second, state) = zone.has(&web);
    assert_ne!(second, first);
    assert_eq!(state.regenerations, 2);
}

#[tokio::test]
async fn the_next_authority_is_trusted_before_it_signs() {
    let mut zone = Zone::new();
    zone.mesh("ca-1", &[0]).await;
    zone.dataplane("web", "web").await;
    let web = zone.connect("web", "web", 1);
    zone.round();
    let (first, state) = zone.has(&web);
    assert_eq!(state.supported_backends, ["ca-1"]);
    // Trusted: the certificate stays.
    zone.mesh("ca-1", &[0, 1]).await;
    zone.round();
    let (second, state) = zone.has(&web);
    assert_eq!(second, first);
    assert_eq!(state.supported_backends, ["ca-1", "ca-2"]);
    // Signs.
    zone.mesh("ca-2", &[0, 1]).await;
    zone.round();
    let (third, state) = zone.has(&web);
    assert_ne!(third, first);
    assert_eq!(state.issued_backend, "ca-2");
}

#[tokio::test]
async fn nobody_gets_a_certificate_of_a_dataplane_that_its_token_was_not_for() {
    let mut zone = Zone::new();
    zone.mesh("ca-1", &[0]).await;
    zone.dataplane("web", "web").await;
    let web = zone.connect("web", "web", 1);
    zone.round();
    let (before, _) = zone.has(&web);
    // Another proxy, with a token of its own, has written the Dataplane anew.
    zone.dataplane("web", "bank").await;
    zone.round();
    assert!(matches!(zone.standing(&web), Standing::Stranger));
    // It connects, and is not given what the one before had.
    zone.connect("web", "bank", 2);
    zone.round();
    assert_ne!(zone.has(&web).0, before);
}

#[tokio::test]
async fn a_mesh_without_mutual_tls_or_without_a_key_has_no_identities() {
    let mut zone = Zone::new();
    zone.put(kinds::MESH, "", "default", &json!({})).await;
    zone.dataplane("web", "web").await;
    let web = zone.connect("web", "web", 1);
    zone.round();
    assert!(matches!(zone.standing(&web), Standing::WithoutIdentity));
    // A builtin authority whose Secrets have not come yet.
    let builtin = json!({ "mtls": {
        "enabledBackend": "ca-1", "backends": [{ "name": "ca-1", "type": "builtin" }],
    } });
    zone.put(kinds::MESH, "", "default", &builtin).await;
    zone.round();
    assert!(matches!(zone.standing(&web), Standing::Waits));
    for (name, text) in [("cert", &CA[0].0), ("key", &CA[0].1)] {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let spec = json!({ "data": STANDARD.encode(text) });
        let name = format!("default.ca-builtin-{name}-ca-1");
        zone.put(kinds::SECRET, "default", &name, &spec).await;
    }
    zone.round();
    assert_eq!(zone.has(&web).1.issued_backend, "ca-1");
}

#[tokio::test]
async fn many_are_made_in_rounds_and_each_has_its_own() {
    let mut zone = Zone::new();
    zone.mesh("ca-1", &[0]).await;
    let mut keys = Vec::new();
    for number in 0..=ROUND {
        let name = format!("web-{number}");
        zone.dataplane(&name, &name).await;
        keys.push(zone.connect(&name, &name, 1));
    }
    assert!(zone.round());
    assert!(!zone.round());
    let versions: HashSet<_> = keys.iter().map(|key| zone.has(key).0.version).collect();
    assert_eq!(versions.len(), keys.len());
    // Who leaves is forgotten.
    zone.open.clear();
    zone.round();
    assert!(zone.identities.issued.is_empty());
}

#[tokio::test]
async fn what_cannot_be_made_is_tried_again_later_and_holds_nobody_up() {
    let mut zone = Zone::new();
    zone.mesh("ca-1", &[0]).await;
    let mut keys = Vec::new();
    for number in 0..=ROUND {
        let name = format!("web-{number}");
        zone.dataplane(&name, &name).await;
        keys.push(zone.connect(&name, &name, 1));
    }
    // The authority is known; then it ends.
    let open = std::mem::take(&mut zone.open);
    zone.open.insert(keys[0].clone(), open[&keys[0]].clone());
    zone.round();
    zone.open = open;
    zone.now += SignedDuration::from_hours(24 * 366);
    let rounds = (0..10).take_while(|_| zone.round()).count();
    assert!(rounds < 3, "{rounds} rounds");
    assert!(matches!(zone.standing(&keys[1]), Standing::Waits));
    assert_eq!(zone.identities.next_renewal(), Some(zone.now + AGAIN));
    // Another authority does not have to wait.
    zone.now -= SignedDuration::from_hours(24 * 366);
    zone.mesh("ca-2", &[0, 1]).await;
    while zone.round() {}
    assert_eq!(zone.has(&keys[1]).1.issued_backend, "ca-2");
}
