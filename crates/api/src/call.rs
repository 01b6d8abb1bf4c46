//! What a request says beside its body.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri, header, request::Parts};

use portolan_access::User;

use crate::problem::Problem;

/// Path, query and headers of one request.
#[derive(Debug)]
pub(crate) struct Call {
    /// The mesh in the path, empty if there is none.
    pub(crate) mesh: String,
    /// The name in the path, empty if there is none.
    pub(crate) name: String,
    /// The query.
    pub(crate) query: Query,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// Who asks.
    pub(crate) user: User,
    uri: Uri,
}

impl Call {
    /// The same request for the page at `offset`, as an absolute URL.
    pub(crate) fn url_at(&self, offset: usize) -> String {
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        // A proxy in front that ends TLS says so.
        let https = header("x-forwarded-proto").or(self.uri.scheme_str()) == Some("https");
        let scheme = if https { "https" } else { "http" };
        let host = header(header::HOST.as_str())
            .or(self.uri.authority().map(|authority| authority.as_str()))
            .unwrap_or("localhost");
        format!(
            "{scheme}://{host}{}?{}",
            self.uri.path(),
            self.query.with("offset", offset)
        )
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                Problem::bad_request("the path is not UTF-8 once percent-decoded").into_response()
            })?;
        let param = |wanted: &str| {
            let mut found = params.iter().filter(|(name, _)| *name == wanted);
            found
                .next()
                .map(|(_, value)| value.to_owned())
                .unwrap_or_default()
        };
        Ok(Self {
            mesh: param("mesh"),
            name: param("name"),
            query: Query::of(&parts.uri),
            user: parts.extensions.remove().unwrap_or_else(User::anonymous),
            headers: std::mem::take(&mut parts.headers),
            uri: parts.uri.clone(),
        })
    }
}

/// The parameters of a query, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of a parameter, empty if there is none.
    pub(crate) fn first(&self, name: &str) -> &str {
        let mut pairs = self.pairs();
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .unwrap_or_default()
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on: given without a value, or as `true` or `1`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.pairs()
            .any(|(key, value)| key == name && ["", "true", "1"].contains(&value))
    }

    /// Names and values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The query with one parameter set, ordered by name as Go orders it.
    fn with(&self, name: &str, value: usize) -> String {
        let value = value.to_string();
        let mut pairs: Vec<_> = self.pairs().filter(|(key, _)| *key != name).collect();
        pairs.push((name, &value));
        pairs.sort_by_key(|(key, _)| *key);
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    }
}
