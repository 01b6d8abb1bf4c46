//! REST requests.

use futures::{Stream, StreamExt};
use portolan_identity::{
    Secret,
    tls::{self, Trust},
};
use portolan_model::Revision;
use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{context::Server, errors::Failure};

/// A control plane.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<Secret>,
}

impl Client {
    /// For a server of the user's contexts.
    pub(crate) fn new(server: &Server) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder();
        if let Some(path) = &server.ca_file {
            let pem = std::fs::read_to_string(path).map_err(|error| {
                Failure::Other(format!(
                    "cannot read {} (--ca-file): {error}",
                    path.display()
                ))
            })?;
            let config = tls::client_config(&Trust::Authority(pem), &["h2", "http/1.1"]);
            builder = builder.use_preconfigured_tls(config.map_err(Failure::other)?);
        } else if server.url.starts_with("https://") {
            let config = tls::client_config(&Trust::System, &["h2", "http/1.1"]);
            builder = builder.use_preconfigured_tls(config.map_err(Failure::other)?);
        }
        Ok(Self {
            http: builder.build().map_err(Failure::other)?,
            url: server.url.clone(),
            token: server.user_token()?,
        })
    }

    /// GET; the body as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.send(Method::GET, path, None).await?;
        answer.json().await.map_err(Failure::other)
    }

    /// GET of one resource; the body as JSON, and the version that a write may insist on.
    pub(crate) async fn get_version(&self, path: &str) -> Result<(Value, String), Failure> {
        let answer = self.send(Method::GET, path, None).await?;
        let version = header_of(&answer, header::ETAG.as_str()).to_owned();
        Ok((answer.json().await.map_err(Failure::other)?, version))
    }

    /// PUT of JSON, unless there is another version; the revision of the write.
    pub(crate) async fn put_version(
        &self,
        path: &str,
        body: &Value,
        version: &str,
    ) -> Result<Revision, Failure> {
        let request = self.request(Method::PUT, path, Some(body.to_string()));
        let answer = self
            .answer(request.header(header::IF_MATCH, version))
            .await?;
        let revision = header_of(&answer, "portolan-revision");
        revision.parse().map_err(Failure::other)
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Response, Failure> {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    /// GET of a stream with a JSON value in each line.
    pub(crate) async fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<T, Failure>> + Unpin + use<T>, Failure> {
        let chunks = self.send(Method::GET, path, None).await?.bytes_stream();
        let state = (Box::pin(chunks), Vec::new());
        let lines = futures::stream::unfold(state, |(mut chunks, mut buffer)| async move {
            loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    let value = serde_json::from_slice(&line).map_err(Failure::other);
                    return Some((value, (chunks, buffer)));
                }
                match chunks.next().await? {
                    Ok(chunk) => buffer.extend_from_slice(&chunk),
                    Err(error) => return Some((Err(Failure::other(error)), (chunks, Vec::new()))),
                }
            }
        });
        Ok(Box::pin(lines))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Response, Failure> {
        self.answer(self.request(method, path, body)).await
    }

    fn request(&self, method: Method, path: &str, body: Option<String>) -> RequestBuilder {
        let url = &self.url;
        let mut request = self.http.request(method, format!("{url}{path}"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        request
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|error| Failure::Unreachable {
            url: self.url.clone(),
            reason: cause(&error),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.text().await.unwrap_or_default();
        Err(Failure::from_answer(status.as_u16(), &body))
    }
}

fn header_of<'a>(answer: &'a Response, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The last cause: "connection refused" says more than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
