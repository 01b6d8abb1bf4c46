//! The error envelope.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use portolan_model::{Violation, Violations};
use serde::Serialize;

/// Goes with a refusal to tell the guard what to log.
#[derive(Clone, Debug)]
pub(crate) struct Logged(pub(crate) String);

/// A refusal, as Kuma words and shapes it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) title: Cow<'static, str>,
    pub(crate) detail: String,
    pub(crate) violations: Vec<Named>,
    retry_after_seconds: Option<u32>,
}

/// A violation, and in a request of many resources the resource that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) violation: Violation,
    pub(crate) resource: Option<String>,
}

impl Problem {
    /// A refusal without a list of violations.
    pub(crate) fn new(
        status: StatusCode,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            title: title.into(),
            detail: detail.into(),
            violations: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// Something that is not there; the title tells what was tried.
    pub(crate) fn not_found(title: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, title, "Not found")
    }

    /// A body or header that cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", detail)
    }

    /// A resource that breaks rules; the title tells what was tried.
    pub(crate) fn invalid(title: &'static str, violations: Violations) -> Self {
        let violations = violations
            .0
            .into_iter()
            .map(|violation| Named {
                violation,
                resource: None,
            })
            .collect();
        Self::invalid_resources(title, violations)
    }

    /// Resources that break rules.
    pub(crate) fn invalid_resources(title: &'static str, violations: Vec<Named>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, title, "Resource is not valid");
        problem.violations = violations;
        problem
    }

    /// A fault of ours.
    pub(crate) fn internal() -> Self {
        let title = "Internal Server Error";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            title,
            "Internal Server Error",
        )
    }

    /// Not now: the client should try again after some seconds.
    pub(crate) fn unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            detail,
        );
        problem.retry_after_seconds = Some(retry_after_seconds);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut logged = self.detail.clone();
        for Named { violation, .. } in self.violations.iter().take(LOGGED_VIOLATIONS) {
            logged = format!("{logged}; {}: {}", violation.field, violation.reason);
        }
        let mut response = crate::answer::json(self.status, &Envelope::of(&self));
        response.extensions_mut().insert(Logged(logged));
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A refused batch of thousands is told in full to its sender; the log gets the first few.
const LOGGED_VIOLATIONS: usize = 8;

/// Kuma's form: each fact twice, under its newer and its older name.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    status: u16,
    title: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalid_parameters: Vec<InvalidParameter<'a>>,
    details: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
struct InvalidParameter<'a> {
    field: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
}

#[derive(Serialize)]
struct Cause<'a> {
    field: &'a str,
    message: &'a str,
}

impl<'a> Envelope<'a> {
    fn of(problem: &'a Problem) -> Self {
        let violations = &problem.violations;
        Self {
            r#type: "/std-errors",
            status: problem.status.as_u16(),
            title: &problem.title,
            detail: &problem.detail,
            invalid_parameters: violations
                .iter()
                .map(|named| InvalidParameter {
                    field: &named.violation.field,
                    reason: &named.violation.reason,
                    resource: named.resource.as_deref(),
                })
                .collect(),
            details: &problem.detail,
            causes: violations
                .iter()
                .map(|named| Cause {
                    field: &named.violation.field,
                    message: &named.violation.reason,
                })
                .collect(),
        }
    }
}
