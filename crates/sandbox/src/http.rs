//! Requests and conditions.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::SandboxError;

/// How often a condition is looked at.
const BEAT: Duration = Duration::from_millis(10);

/// Waits until `condition` gives a value.
pub async fn until<F, T>(what: &str, limit: Duration, condition: F) -> Result<T, SandboxError>
where
    F: AsyncFn() -> Option<T>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if start.elapsed() > limit {
            return Err(SandboxError::TimedOut {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// A REST API.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    /// At `base`, as in `http://127.0.0.1:5681`.
    pub fn new(base: impl Into<String>) -> Self {
        // reqwest wants one although nothing here speaks TLS; another may be there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            client: reqwest::Client::new(),
            base: base.into(),
        }
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET; the body as JSON.
    pub async fn get(&self, path: &str) -> Result<Value, SandboxError> {
        self.send(reqwest::Method::GET, path, None).await
    }

    /// PUT; the answer's body as JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, SandboxError> {
        self.send(reqwest::Method::PUT, path, Some(body)).await
    }

    /// POST; the answer's body as JSON, or as a JSON string if it is none.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, SandboxError> {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Value, SandboxError> {
        self.send(reqwest::Method::DELETE, path, None).await
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, SandboxError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            let (method, status) = (method.to_string(), status.as_u16());
            return Err(SandboxError::Refused {
                method,
                url,
                status,
                body,
            });
        }
        Ok(serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }
}
