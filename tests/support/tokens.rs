//! Tokens of every kind of wrong, made with the very key that the control plane signs with.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portolan_sandbox::Http;
use serde_json::{Value, json};

/// The key in a secret that an administrator may read (`/meshes/…` or `/global-secrets/…`).
pub async fn signing_key(http: &Http, path: &str) -> String {
    let secret = http.get(path).await.unwrap();
    let pem = BASE64_STANDARD
        .decode(secret["data"].as_str().unwrap())
        .unwrap();
    String::from_utf8(pem).unwrap()
}

/// Now, moved by some seconds, as tokens count time.
pub fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + from_now
}

/// A token with these claims beside those that every token has.
pub fn forge(algorithm: Algorithm, kid: &str, key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    let mut all = json!({
        "exp": seconds(3600), "nbf": seconds(-5), "iat": seconds(-5), "jti": "forged",
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    jsonwebtoken::encode(&header, &all, key).unwrap()
}

/// The same claims without any signature.
pub fn unsigned(token: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#);
    format!("{header}.{}.", token.split('.').nth(1).unwrap())
}

/// `jti` of a token.
pub fn id(token: &str) -> String {
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// Writes a list of revoked tokens.
pub async fn revoke(http: &Http, path: &str, tokens: &[&str]) {
    let ids = tokens
        .iter()
        .map(|token| id(token))
        .collect::<Vec<_>>()
        .join(",");
    let mut secret = json!({
        "type": "GlobalSecret", "name": path.rsplit('/').next(), "data": BASE64_STANDARD.encode(ids),
    });
    if let Some(rest) = path.strip_prefix("/meshes/") {
        secret["type"] = "Secret".into();
        secret["mesh"] = rest.split('/').next().into();
    }
    http.put(path, &secret).await.unwrap();
}

/// Fails if a file of these has one of these texts.
pub fn assert_nowhere(files: &[std::path::PathBuf], texts: &[&str]) {
    assert!(!files.is_empty());
    for path in files {
        let bytes = std::fs::read(path).unwrap();
        for text in texts {
            assert!(text.len() > 20, "{text}: found by chance");
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "{} has {text}", path.display());
        }
    }
}

/// The part of a token that makes it one.
pub fn signature(token: &str) -> &str {
    token.rsplit('.').next().unwrap()
}
