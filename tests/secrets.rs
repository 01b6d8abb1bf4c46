//! A secret on its way: encrypted on every disk, in no log, and only what may leave the global does.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use portolan_sandbox::{GlobalOptions, ZoneOptions, until};
use serde_json::json;
use support::{LIMIT, sandbox};

/// What nobody may find, and its base64.
const VALUE: &str = "hunter2-hunter2-hunter2";
const DATA: &str = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjI=";
const SECRET: &str = "/meshes/default/secrets/cert";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_zones_and_nobody_else() {
    let sandbox = sandbox();
    let log = || "trace".to_owned();
    let mut global = sandbox
        .global(&GlobalOptions {
            log: log(),
            ..GlobalOptions::default()
        })
        .await
        .unwrap();
    let options = ZoneOptions {
        log: log(),
        ..ZoneOptions::default()
    };
    let zone = sandbox.zone("zone-1", &[&global], &options).await.unwrap();
    global.zones_online(&["zone-1"]).await.unwrap();

    for name in ["inter-cp-ca", "zone-token-revocations"] {
        let secret = json!({ "type": "GlobalSecret", "name": name, "data": DATA });
        let path = format!("/global-secrets/{name}");
        global.http.put(&path, &secret).await.unwrap();
    }
    let secret = json!({ "type": "Secret", "mesh": "default", "name": "cert", "data": DATA });
    global.http.put(SECRET, &secret).await.unwrap();
    let wrong =
        json!({ "type": "Secret", "mesh": "default", "name": "cert", "data": format!("{DATA}!") });
    global.http.put(SECRET, &wrong).await.unwrap_err();

    until("the secret in the zone", LIMIT, async || {
        let secret = zone.http.get(SECRET).await.ok()?;
        (secret["data"] == DATA).then_some(())
    })
    .await
    .unwrap();
    until("the global secret in the zone", LIMIT, async || {
        let secrets = zone.http.get("/global-secrets").await.ok()?;
        let items = secrets["items"].as_array()?;
        let names: Vec<_> = items.iter().map(|item| &item["name"]).collect();
        // The first two are the zone's own: the global keeps its, and of keys that sign zones' tokens it gives the
        // public half.
        (names
            == [
                "admin-user-token",
                "user-token-signing-key-1",
                "zone-token-revocations",
                "zone-token-signing-public-key-1",
            ])
        .then_some(())
    })
    .await
    .unwrap();

    // What one start encrypted, the next decrypts.
    global.process.kill().await.unwrap();
    global.start().await.unwrap();
    assert_eq!(global.http.get(SECRET).await.unwrap()["data"], DATA);

    for folder in ["global", "zone-1"] {
        let key = sandbox.folder().join(folder).join("secret.key");
        assert_eq!(
            fs::metadata(key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let files = everywhere(sandbox.folder());
    assert!(
        files
            .iter()
            .any(|path| path.ends_with("zone-1/portolan.db"))
    );
    let logs = files
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "log"));
    assert!(logs.count() >= 2, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for text in [VALUE, &DATA[..20]] {
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "{} has it", path.display());
        }
    }
}

/// All files below a folder.
fn everywhere(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                everywhere(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
