//! Users: the REST API over TLS, and the commands of somebody who is no administrator by place.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path, process::Output};

use portolan_sandbox::{GlobalOptions, Sandbox};
use serde_json::json;
use support::sandbox;
use support::tokens::{assert_nowhere, revoke, signature};
use tokio::process::Command;

/// Runs the binary with a configuration of its own.
async fn portolan(sandbox: &Sandbox, args: &[&str]) -> Output {
    Command::new(sandbox.binary())
        .args(args)
        .env("PORTOLAN_CONFIG", sandbox.folder().join("config.yaml"))
        .env_remove("PORTOLAN_URL")
        .output()
        .await
        .unwrap()
}

fn out(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_over_tls_act_as_the_user_of_their_token() {
    let sandbox = sandbox();
    let options = GlobalOptions {
        log: "trace".to_owned(),
        ..GlobalOptions::default()
    };
    let global = sandbox.global(&options).await.unwrap();
    let plain = ["--url", global.http.base()];
    let ca = global.ca();
    let (ada, bob) = (
        sandbox.folder().join("ada.token"),
        sandbox.folder().join("bob.token"),
    );
    for (file, name, group) in [(&ada, "ada", "mesh-system:admin"), (&bob, "bob", "team")] {
        let flags = [
            "token",
            "user",
            "--name",
            name,
            "--group",
            group,
            "--valid-for",
            "1h",
        ];
        let issued = portolan(&sandbox, &[&plain[..], &flags].concat()).await;
        assert!(issued.status.success(), "{}", out(&issued));
        fs::write(file, &issued.stdout).unwrap();
    }

    let secrets = ["get", "global-secrets", "--url", &global.https];
    let trusting = [&secrets[..], &["--ca-file", text(&ca)]].concat();
    let untrusted = portolan(&sandbox, &secrets).await;
    assert_eq!(untrusted.status.code(), Some(1), "{}", out(&untrusted));
    for (file, code, expected) in [
        (Some(&ada), 0, "admin-user-token"),
        (
            Some(&bob),
            3,
            "user \"bob/team,mesh-system:authenticated\" cannot access",
        ),
        (None, 0, "admin-user-token"), // from this machine
    ] {
        let mut args = trusting.clone();
        if let Some(file) = file {
            args.extend(["--user-token-file", text(file)]);
        }
        let shown = portolan(&sandbox, &args).await;
        assert_eq!(shown.status.code(), Some(code), "{}", out(&shown));
        assert!(out(&shown).contains(expected), "{}", out(&shown));
    }

    // The same by a context, and by every way of issuing a token.
    let add = [
        "context",
        "add",
        "prod",
        "--server",
        &global.https,
        "--ca-file",
        text(&ca),
        "--token-file",
        text(&bob),
    ];
    assert!(portolan(&sandbox, &add).await.status.success());
    for refused in [
        &["token", "dataplane", "--name", "gw"][..],
        &["token", "zone", "--zone", "zone-1"],
        &[
            "token",
            "user",
            "--name",
            "eve",
            "--group",
            "mesh-system:admin",
            "--valid-for",
            "1h",
        ],
        &["get", "secrets"],
    ] {
        let refused = portolan(&sandbox, refused).await;
        assert_eq!(refused.status.code(), Some(3), "{}", out(&refused));
        assert!(out(&refused).contains("Access Denied"), "{}", out(&refused));
    }
    assert!(
        portolan(&sandbox, &["get", "meshes"])
            .await
            .status
            .success()
    );

    let token = fs::read_to_string(&ada).unwrap();
    revoke(
        &global.http,
        "/global-secrets/user-token-revocations",
        &[token.trim()],
    )
    .await;
    let revoked = portolan(
        &sandbox,
        &[&trusting[..], &["--user-token-file", text(&ada)]].concat(),
    )
    .await;
    assert_eq!(revoked.status.code(), Some(3));
    assert!(
        out(&revoked).contains("has been revoked"),
        "{}",
        out(&revoked)
    );

    let secret = global
        .http
        .get("/global-secrets/admin-user-token")
        .await
        .unwrap();
    let tokens = [fs::read_to_string(&bob).unwrap(), token];
    let mut texts: Vec<_> = tokens.iter().map(|token| signature(token.trim())).collect();
    texts.push(&secret["data"].as_str().unwrap()[..60]);
    assert_nowhere(&[sandbox.folder().join("global.log")], &texts);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_secrets_in_any_answer() {
    let sandbox = sandbox();
    let global = support::global(&sandbox).await;
    let request = json!({ "name": "bob", "validFor": "1h" });
    let token = global.http.post("/tokens/user", &request).await.unwrap();
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let request = client.get(format!("{}{path}", global.http.base()));
        let answer = request
            .bearer_auth(token.as_str().unwrap())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for path in [
        "/global-secrets",
        "/global-secrets/admin-user-token",
        "/global-secrets/user-token-signing-key-1",
        "/secrets",
        "/secrets?watch=true",
        "/meshes/default/secrets",
        "/meshes/default/secrets/dataplane-token-signing-key-default-1",
    ] {
        let (status, told) = get(path).await;
        assert_eq!(status, 403, "{path}: {told}");
        assert!(!told.contains("\"data\""), "{path}: {told}");
    }
    for path in [
        "/",
        "/meshes",
        "/mesh-insights",
        "/_status",
        "/_resources",
        "/meshes/default/_lint",
    ] {
        let (status, told) = get(path).await;
        assert_eq!(status, 200, "{path}: {told}");
        for text in ["signing-key", "PRIVATE KEY", "LS0tLS1CRUdJTi", "eyJ0eXAi"] {
            assert!(!told.contains(text), "{path}: {told}");
        }
    }
}
