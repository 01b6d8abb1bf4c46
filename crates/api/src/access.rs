//! Who asks, and what is for administrators alone.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use portolan_access::User;
use portolan_model::Kind;

use crate::problem::Problem;

/// 403 when the kind is for administrators and the user is none.
pub(crate) fn check(kind: Kind, user: &User) -> Result<(), Problem> {
    if kind.is_secret() {
        admin_only(
            user,
            &format!("access the resource of type {:?}", kind.name()),
        )
    } else {
        Ok(())
    }
}

/// 403 when the user is no administrator; `action` is what the user cannot do.
pub(crate) fn admin_only(user: &User, action: &str) -> Result<(), Problem> {
    if user.is_admin() {
        return Ok(());
    }
    let detail = format!(
        "user \"{user}\" cannot {action}: it is for administrators, who ask from the control plane's machine \
         or with a user token of the group mesh-system:admin"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "Access Denied", detail))
}

/// An answer about resources of a kind; that of secrets is kept by nobody on the way.
pub(crate) fn seal<T: IntoResponse>(kind: Kind, answer: T) -> Response {
    let response = answer.into_response();
    if kind.is_secret() {
        return unstored(response);
    }
    response
}

/// An answer that nobody on the way may keep.
pub(crate) fn unstored(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portolan_model::kinds::{GLOBAL_SECRET, MESH, SECRET};

    use super::*;

    #[test]
    fn only_secrets_are_for_administrators() {
        for kind in [SECRET, GLOBAL_SECRET] {
            assert!(check(kind, &User::admin()).is_ok());
            assert_eq!(
                check(kind, &User::anonymous()).unwrap_err().status,
                StatusCode::FORBIDDEN
            );
        }
        assert!(check(MESH, &User::anonymous()).is_ok());
    }
}
