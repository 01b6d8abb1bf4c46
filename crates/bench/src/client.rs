//! One HTTP/1.1 connection, as lean as possible: the load generator shares the cores with what it measures.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A kept-alive connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// What came back.
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: StatusCode,
    /// The echo service that answered.
    pub(crate) service: Option<String>,
}

impl Connection {
    /// Connects; every request says it wants `host`.
    pub(crate) async fn open(address: SocketAddr, host: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its error reaches the request that waits for an answer.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self {
            sender,
            host: host.to_owned(),
        })
    }

    /// GET.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// GET with one more header.
    pub(crate) async fn get_with(
        &mut self,
        path: &str,
        header: Option<(&'static str, &'static str)>,
    ) -> anyhow::Result<Answer> {
        self.exchange(Method::GET, path, header, Bytes::new()).await
    }

    /// PUT of a resource.
    ///
    /// # Errors
    /// Also when the answer is not a success.
    pub(crate) async fn put(&mut self, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self
            .send(Method::PUT, path, serde_json::to_vec(body)?.into())
            .await?;
        ensure!(
            answer.status.is_success(),
            "PUT {path} was answered with {}",
            answer.status
        );
        Ok(())
    }

    /// DELETE of a resource.
    ///
    /// # Errors
    /// Also when the answer is not a success.
    pub(crate) async fn delete(&mut self, path: &str) -> anyhow::Result<()> {
        let answer = self.send(Method::DELETE, path, Bytes::new()).await?;
        ensure!(
            answer.status.is_success(),
            "DELETE {path} was answered with {}",
            answer.status
        );
        Ok(())
    }

    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let json = Some(("content-type", "application/json"));
        self.exchange(method, path, json, body).await
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &'static str)>,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        self.sender.ready().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let service = answer
            .headers()
            .get("x-echo-service")
            .and_then(|name| name.to_str().ok())
            .map(str::to_owned);
        answer.into_body().collect().await?;
        Ok(Answer { status, service })
    }
}
