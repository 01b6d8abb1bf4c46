//! What can go wrong for a user, and the exit codes that scripts see.

use std::process::ExitCode;

use serde_json::Value;

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Anything else.
    #[error("{0}")]
    Other(String),
    /// No control plane answers.
    #[error(
        "cannot reach the control plane at {url}: {reason}\n\
         Is it running? Start one with `portolan global`, or point to another with --url or `portolan context use`."
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The control plane refused the request.
    #[error("{0}")]
    Refused(String),
    /// There is no such resource.
    #[error("{0}")]
    NotFound(String),
    /// Somebody else wrote in the meantime.
    #[error("{0}")]
    Conflict(String),
    /// Not everybody served the change in time.
    #[error("{0}")]
    TimedOut(String),
    /// A gateway instance refused the change.
    #[error("{0}")]
    InstanceRefused(String),
}

impl Failure {
    /// An error with its causes.
    pub(crate) fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(format!("{:#}", error.into()))
    }

    /// From an error answer of the REST API: what is wrong, a line for each field.
    pub(crate) fn from_answer(status: u16, body: &str) -> Self {
        let Ok(problem) = serde_json::from_str::<Value>(body) else {
            return Self::refused(
                status,
                format!("the control plane answered {status}: {body}"),
            );
        };
        let text = |field: &str| problem[field].as_str().unwrap_or_default();
        let mut lines = vec![format!("{}: {}", text("title"), text("detail"))];
        for parameter in problem["invalid_parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let of = |field: &str| parameter[field].as_str().unwrap_or_default();
            let resource = of("resource");
            let resource = if resource.is_empty() {
                String::new()
            } else {
                format!("{resource}: ")
            };
            lines.push(format!("  {resource}{}: {}", of("field"), of("reason")));
        }
        Self::refused(status, lines.join("\n"))
    }

    fn refused(status: u16, text: String) -> Self {
        match status {
            404 => Self::NotFound(text),
            409 => Self::Conflict(text),
            400..500 => Self::Refused(text),
            _ => Self::Other(text),
        }
    }

    /// Tells the user, and gives the exit code.
    #[allow(clippy::print_stderr)] // What a command is for includes saying why it failed.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("portolan: {self}");
        ExitCode::from(match self {
            Self::Other(_) | Self::Unreachable { .. } => 1,
            Self::Refused(_) | Self::NotFound(_) | Self::Conflict(_) => 3,
            Self::TimedOut(_) => 4,
            Self::InstanceRefused(_) => 5,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_has_a_line() {
        let body = r#"{"title":"Could not process a resource","detail":"Resource is not valid",
            "invalid_parameters":[
                {"field":"conf","reason":"cannot be empty","resource":"MeshGateway/default/a"},
                {"field":"size","reason":"must be greater than 0"}]}"#;
        let failure = Failure::from_answer(400, body);
        assert!(matches!(failure, Failure::Refused(_)));
        assert_eq!(
            failure.to_string(),
            "Could not process a resource: Resource is not valid\n  \
             MeshGateway/default/a: conf: cannot be empty\n  size: must be greater than 0"
        );
    }
}
