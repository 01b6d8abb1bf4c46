//! Getting the bootstrap from the zone.

use std::{error::Error, io, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use portolan_identity::tls::{self, Trust};
use reqwest::{Client, StatusCode, Url, header};

use super::RunError;
use crate::bootstrap::Request;

const TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A zone's data plane port.
#[derive(Debug)]
pub(super) struct Zone {
    client: Client,
    bootstrap: Url,
}

/// One attempt that failed.
enum Failure {
    /// Waiting may help.
    Away(String),
    /// Waiting does not help.
    Final(RunError),
}

impl Zone {
    pub(super) fn new(url: &str, trust: &Trust) -> Result<Self, RunError> {
        let invalid = |reason: String| RunError::Url {
            url: url.to_owned(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
        if !matches!(parsed.scheme(), "https" | "http") {
            return Err(invalid(
                "it begins neither with https:// nor with http://".to_owned(),
            ));
        }
        let bootstrap = parsed
            .join("/bootstrap")
            .map_err(|error| invalid(error.to_string()))?;
        let client = Client::builder()
            .use_preconfigured_tls(tls::client_config(trust, &["h2", "http/1.1"])?)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Self { client, bootstrap })
    }

    pub(super) fn url(&self) -> &Url {
        &self.bootstrap
    }

    /// Envoy's configuration. Asks again, with growing pauses, while the zone is away.
    pub(super) async fn bootstrap(&self, request: &Request) -> Result<String, RunError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_RETRY)
            .with_max_delay(LAST_RETRY)
            .with_jitter()
            .without_max_times();
        let mut told = false;
        (|| self.ask(request))
            .retry(pauses)
            .when(|failure| matches!(failure, Failure::Away(_)))
            .notify(|failure, _| {
                if let Failure::Away(reason) = failure
                    && !told
                {
                    told = true;
                    tracing::info!(zone = %self.bootstrap, reason, "the zone does not answer yet; asking again");
                }
            })
            .await
            .map_err(|failure| match failure {
                Failure::Final(error) => error,
                Failure::Away(reason) => RunError::Refused { status: 503, text: reason },
            })
    }

    async fn ask(&self, request: &Request) -> Result<String, Failure> {
        let answer = self
            .client
            .post(self.bootstrap.clone())
            .header(header::ACCEPT, "text/x-yaml")
            .json(request)
            .send()
            .await
            .map_err(failure)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failure)?;
        match status {
            StatusCode::OK => Ok(text),
            // A zone that cannot tell yet, something between here and the zone, or a name that is free soon.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => {
                Err(Failure::Away(format!("{status}: {text}")))
            }
            _ if status.is_server_error() => Err(Failure::Away(format!("{status}: {text}"))),
            _ => Err(Failure::Final(RunError::Refused {
                status: status.as_u16(),
                text,
            })),
        }
    }
}

/// A certificate that is not trusted stays so; everything else on the way may pass.
fn failure(error: reqwest::Error) -> Failure {
    let mut reason = error.to_string();
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(rustls::Error::InvalidCertificate(detail)) = tls_error(inner) {
            return Failure::Final(RunError::Untrusted(detail.to_string()));
        }
        reason = inner.to_string();
        cause = inner.source();
    }
    Failure::Away(reason)
}

/// `io::Error` hides what it wraps from `source`, and connectors wrap one in another.
fn tls_error<'a>(mut error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    while let Some(wrapped) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        error = wrapped;
    }
    error.downcast_ref()
}
