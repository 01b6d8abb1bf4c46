#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use portolan_identity::{
    Secret,
    tokens::{DataplaneClaims, SigningKey, TokenError, UserClaims, ZoneClaims},
};
use portolan_model::{
    Labels, ResourceKey, kinds,
    proto::{system, well_known::BytesValue},
};
use portolan_store::{Batch, Expect, Store, Write, memory};
use prost::Message;
use tokio_util::sync::CancellationToken;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DEFAULT: Purpose<'static> = Purpose::Dataplane { mesh: "default" };

/// RSA keys are slow to make, so the tests share some.
static PEMS: LazyLock<[Secret; 2]> =
    LazyLock::new(|| [(); 2].map(|()| SigningKey::generate().unwrap()));

fn claims(mesh: &str) -> DataplaneClaims {
    DataplaneClaims {
        mesh: mesh.to_owned(),
        proxy_type: "dataplane".to_owned(),
        ..DataplaneClaims::default()
    }
}

/// A store with these meshes.
async fn store(meshes: &[&str]) -> Arc<dyn Store> {
    let store = memory::new(CancellationToken::new());
    for mesh in meshes {
        write(
            &store,
            ResourceKey::global(kinds::MESH, *mesh),
            Default::default(),
        )
        .await;
    }
    store
}

async fn write(store: &Arc<dyn Store>, key: ResourceKey, spec: Vec<u8>) {
    let put = Write::Put {
        key,
        labels: Labels::new(),
        spec: spec.into(),
        expect: Expect::Any,
        created: None,
    };
    commit(store, put).await;
}

async fn put(store: &Arc<dyn Store>, key: ResourceKey, content: &str) {
    let value = content.as_bytes().to_vec().into();
    let data = Some(BytesValue { value });
    write(store, key, system::Secret { data }.encode_to_vec()).await;
}

async fn delete(store: &Arc<dyn Store>, key: ResourceKey) {
    let expect = Expect::Any;
    commit(store, Write::Delete { key, expect }).await;
}

async fn commit(store: &Arc<dyn Store>, write: Write) {
    let writes = vec![write];
    let batch = Batch {
        writes,
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
}

/// `jti` of a token.
fn id(token: &Secret) -> String {
    let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode(token.expose())
        .unwrap()
        .claims;
    claims["jti"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_missing_is_made_once() {
    let store = store(&["default"]).await;
    let tokens = Tokens::of_global(Arc::clone(&store));
    tokens.prepare().await.unwrap();
    let names = |store: &Arc<dyn Store>| {
        let snapshot = store.index().snapshot();
        let secrets = snapshot.list(kinds::GLOBAL_SECRET, None);
        secrets
            .map(|secret| secret.key.name.to_string())
            .collect::<Vec<_>>()
    };
    let all = [
        "admin-user-token",
        "user-token-signing-key-1",
        "zone-token-signing-key-1",
    ];
    assert_eq!(names(&store), all);
    let revision = store.index().snapshot().revision();
    tokens.prepare().await.unwrap();
    assert_eq!(store.index().snapshot().revision(), revision);

    let admin = ResourceKey::global(kinds::GLOBAL_SECRET, "admin-user-token");
    let token = kinds::secret::data(store.index().snapshot().get(&admin).unwrap()).unwrap();
    let user = tokens.user(std::str::from_utf8(&token).unwrap()).unwrap();
    assert!(user.is_admin(), "{user}");

    let of_zone = self::store(&[]).await;
    Tokens::of_zone(Arc::clone(&of_zone), None)
        .prepare()
        .await
        .unwrap();
    assert_eq!(names(&of_zone), all[..2], "zones make no keys for zones");
}

#[tokio::test]
async fn meshes_get_a_key_when_they_come_and_when_it_is_deleted() {
    let store = store(&["default"]).await;
    let tokens = Arc::new(Tokens::of_global(Arc::clone(&store)));
    let cancel = CancellationToken::new();
    let (keeper, stop) = (Arc::clone(&tokens), cancel.clone());
    let kept = tokio::spawn(async move { keeper.keep_mesh_keys(stop).await });
    let mut index = store.index().subscribe();
    let key = |mesh: &'static str| Purpose::Dataplane { mesh }.signing_key("1");
    index
        .wait_for(|now| now.get(&key("default")).is_some())
        .await
        .unwrap();
    write(
        &store,
        ResourceKey::global(kinds::MESH, "shop"),
        Default::default(),
    )
    .await;
    index
        .wait_for(|now| now.get(&key("shop")).is_some())
        .await
        .unwrap();

    let old = tokens.issue_dataplane(&claims("shop"), HOUR).await.unwrap();
    let version = store.index().snapshot().get(&key("shop")).unwrap().revision;
    delete(&store, key("shop")).await;
    index
        .wait_for(|now| {
            now.get(&key("shop"))
                .is_some_and(|new| new.revision > version)
        })
        .await
        .unwrap();
    assert_eq!(
        tokens.dataplane("shop", old.expose()),
        Err(TokenError::Signature)
    );
    cancel.cancel();
    kept.await.unwrap();
}

#[tokio::test]
async fn the_newest_key_signs_and_old_ones_verify_until_they_are_deleted() {
    let store = store(&["default"]).await;
    let tokens = Tokens::of_global(Arc::clone(&store));
    put(&store, DEFAULT.signing_key("9"), PEMS[0].expose()).await;
    let old = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    put(&store, DEFAULT.signing_key("10"), PEMS[1].expose()).await;
    let new = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    let header = jsonwebtoken::decode_header(new.expose()).unwrap();
    assert_eq!(header.kid.as_deref(), Some("10"));
    for token in [&old, &new] {
        tokens.dataplane("default", token.expose()).unwrap();
    }
    delete(&store, DEFAULT.signing_key("9")).await;
    let unknown = TokenError::UnknownKey { id: "9".to_owned() };
    assert_eq!(tokens.dataplane("default", old.expose()), Err(unknown));
    tokens.dataplane("default", new.expose()).unwrap();

    // Another key in the same secret: what was read before counts no more.
    put(&store, DEFAULT.signing_key("10"), PEMS[0].expose()).await;
    assert_eq!(
        tokens.dataplane("default", new.expose()),
        Err(TokenError::Signature)
    );
    put(&store, DEFAULT.signing_key("10"), "hunter2").await;
    for told in [
        tokens
            .dataplane("default", new.expose())
            .unwrap_err()
            .to_string(),
        tokens
            .issue_dataplane(&claims("default"), HOUR)
            .await
            .unwrap_err()
            .to_string(),
    ] {
        assert!(
            told.contains("signing-key-default-10 holds no RSA private key"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn revoked_tokens_are_refused_at_once_and_no_others() {
    let store = store(&["default", "shop"]).await;
    let tokens = Tokens::of_global(Arc::clone(&store));
    for purpose in [
        DEFAULT,
        Purpose::Zone,
        Purpose::User,
        Purpose::Dataplane { mesh: "shop" },
    ] {
        put(&store, purpose.signing_key("1"), PEMS[0].expose()).await;
    }
    let dataplane = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    let other = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    let zone = tokens
        .issue_zone(&ZoneClaims::default(), HOUR)
        .await
        .unwrap();
    let user = tokens
        .issue_user(&UserClaims::default(), HOUR)
        .await
        .unwrap();
    let ids = [&dataplane, &zone, &user].map(id).join(",");
    // A list of another mesh is about its own tokens.
    put(
        &store,
        Purpose::Dataplane { mesh: "shop" }.revocations(),
        &ids,
    )
    .await;
    tokens.dataplane("default", dataplane.expose()).unwrap();
    for purpose in [DEFAULT, Purpose::Zone, Purpose::User] {
        put(&store, purpose.revocations(), &format!("x,{ids}\n")).await;
    }
    for (token, refused) in [
        (
            &dataplane,
            tokens.dataplane("default", dataplane.expose()).unwrap_err(),
        ),
        (&zone, tokens.zone(zone.expose()).unwrap_err()),
        (&user, tokens.user(user.expose()).unwrap_err()),
    ] {
        assert_eq!(refused, TokenError::Revoked { id: id(token) });
    }
    tokens.dataplane("default", other.expose()).unwrap();
}

#[tokio::test]
async fn no_token_passes_for_one_of_another_purpose_or_mesh() {
    let store = store(&["default", "shop"]).await;
    let tokens = Tokens::of_global(store);
    let dataplane = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    let zone = tokens
        .issue_zone(&ZoneClaims::default(), HOUR)
        .await
        .unwrap();
    let user = tokens
        .issue_user(&UserClaims::default(), HOUR)
        .await
        .unwrap();
    tokens.issue_dataplane(&claims("shop"), HOUR).await.unwrap();
    for token in [&zone, &user] {
        assert!(tokens.dataplane("default", token.expose()).is_err());
    }
    assert!(tokens.dataplane("shop", dataplane.expose()).is_err());
    assert!(tokens.dataplane("none", dataplane.expose()).is_err());
    for token in [&dataplane, &user] {
        assert!(tokens.zone(token.expose()).is_err());
    }
    for token in [&dataplane, &zone] {
        assert!(tokens.user(token.expose()).is_err());
    }
}

#[tokio::test]
async fn ids_of_keys_name_no_other_secrets() {
    let store = store(&["a"]).await;
    let tokens = Tokens::of_global(Arc::clone(&store));
    let mesh = Purpose::Dataplane { mesh: "a" };
    let foreign = SigningKey::from_pem("b-1", &PEMS[0]).unwrap();
    put(&store, mesh.signing_key("b-1"), PEMS[0].expose()).await;
    let token = foreign.issue_dataplane(&claims("a"), HOUR).unwrap();
    let unknown = TokenError::UnknownKey {
        id: "b-1".to_owned(),
    };
    assert_eq!(tokens.dataplane("a", token.expose()), Err(unknown));
}

#[tokio::test]
async fn a_zones_own_key_counts_beside_the_meshs() {
    let store = store(&["default"]).await;
    let own = || SigningKey::from_pem("1", &PEMS[0]).unwrap();
    let tokens = Tokens::of_zone(Arc::clone(&store), Some(own()));
    let before = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    tokens.dataplane("default", before.expose()).unwrap();
    put(&store, DEFAULT.signing_key("1"), PEMS[1].expose()).await;
    let of_mesh = tokens
        .issue_dataplane(&claims("default"), HOUR)
        .await
        .unwrap();
    SigningKey::from_pem("1", &PEMS[1])
        .unwrap()
        .verifier()
        .verify_dataplane(of_mesh.expose())
        .unwrap();
    for token in [&before, &of_mesh] {
        tokens.dataplane("default", token.expose()).unwrap();
    }
    put(&store, DEFAULT.revocations(), &id(&before)).await;
    assert!(tokens.dataplane("default", before.expose()).is_err());

    let without = Tokens::of_zone(Arc::clone(&store), None);
    assert!(without.dataplane("default", before.expose()).is_err());
    let none = without
        .issue_dataplane(&claims("none"), HOUR)
        .await
        .unwrap_err();
    assert!(
        none.to_string().contains("takes it from the global"),
        "{none}"
    );
    let none = without
        .issue_zone(&ZoneClaims::default(), HOUR)
        .await
        .unwrap_err();
    assert!(none.to_string().contains("ask the global"), "{none}");
}

#[tokio::test]
async fn zones_are_let_in_by_their_own_tokens() {
    let store = store(&[]).await;
    let tokens = Tokens::of_global(store);
    let issue = async |zone: &str, scope: &[&str]| {
        let scope = scope.iter().map(|&scope| scope.to_owned()).collect();
        let zone = zone.to_owned();
        tokens
            .issue_zone(&ZoneClaims { zone, scope }, HOUR)
            .await
            .unwrap()
    };
    let good = issue("east", &["ingress", "cp"]).await;
    tokens.admit_zone("east", Some(good.expose())).unwrap();
    for (token, expected) in [
        (None, "showed no token"),
        (
            Some(issue("west", &["cp"]).await),
            "a token for zone \"west\"",
        ),
        (Some(issue("", &["cp"]).await), "a token for zone \"\""),
        (
            Some(issue("east", &["ingress"]).await),
            "not for control planes",
        ),
        (Some(Secret::from("hunter2")), "not a zone token"),
    ] {
        let token = token.as_ref().map(Secret::expose);
        let refused = tokens.admit_zone("east", token).unwrap_err().to_string();
        assert!(
            refused.contains("\"east\"") && refused.contains(expected),
            "{refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

/// A zone has the public key alone, as its global sends it.
#[tokio::test]
async fn zones_know_their_proxies_by_the_public_keys_of_their_global() {
    let tokens = Tokens::of_global(store(&[]).await);
    let issue = async |zone: &str, scope: &str| {
        let (zone, scope) = (zone.to_owned(), vec![scope.to_owned()]);
        tokens
            .issue_zone(&ZoneClaims { zone, scope }, HOUR)
            .await
            .unwrap()
    };
    let good = issue("east", "ingress").await;
    let any = issue("", "egress").await;
    let snapshot = tokens.store.index().snapshot();
    let private = snapshot.get(&Purpose::Zone.signing_key("1")).unwrap();
    let public = kinds::GLOBAL_SECRET.spec_elsewhere(&private.key.name, &private.spec);
    let public = public.unwrap();

    let of_zone = store(&[]).await;
    let zone = Tokens::of_zone(Arc::clone(&of_zone), None);
    let admit = |role, token: &Secret| {
        let refused = zone.admit(role, "east", Some(token.expose()));
        refused.map_err(|refusal| refusal.to_string())
    };
    let refused = admit(ZoneRole::Ingress, &good).unwrap_err();
    assert!(refused.contains("\"1\""), "without the key: {refused}");
    // The private key is not what a zone looks for.
    write(&of_zone, private.key.clone(), private.spec.to_vec()).await;
    admit(ZoneRole::Ingress, &good).unwrap_err();

    write(&of_zone, Purpose::Zone.public_key("1"), public.to_vec()).await;
    admit(ZoneRole::Ingress, &good).unwrap();
    admit(ZoneRole::Egress, &any).unwrap();
    for (role, token, expected) in [
        (ZoneRole::Egress, good.clone(), "not for egresses"),
        (ZoneRole::Ingress, any.clone(), "not for ingresses"),
        (
            ZoneRole::Ingress,
            issue("west", "ingress").await,
            "for zone \"west\"",
        ),
        (
            ZoneRole::ControlPlane,
            good.clone(),
            "not for control planes",
        ),
        (
            ZoneRole::ControlPlane,
            issue("", "cp").await,
            "for zone \"\"",
        ),
    ] {
        let refused = admit(role, &token).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    let refused = zone.admit(ZoneRole::Ingress, "east", None).unwrap_err();
    let asked = "portolan token zone --zone east --scope ingress`, and give it to the zone with \
                 --dataplane-token-file";
    assert!(refused.to_string().contains(asked), "{refused}");

    put(&of_zone, Purpose::Zone.revocations(), &id(&good)).await;
    let revoked = admit(ZoneRole::Ingress, &good).unwrap_err();
    assert!(revoked.contains("revoked"), "{revoked}");
}
