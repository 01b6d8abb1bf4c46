//! Who asks for something over REST.

use std::fmt;

use portolan_identity::tokens::UserClaims;

/// Name of the administrator, and of the group whose members are administrators.
const ADMIN: &str = "mesh-system:admin";
/// The group of everybody who showed who they are.
const AUTHENTICATED: &str = "mesh-system:authenticated";
/// The group of everybody else.
const UNAUTHENTICATED: &str = "mesh-system:unauthenticated";

/// A user of the REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    groups: Vec<String>,
}

impl User {
    /// The administrator.
    pub fn admin() -> Self {
        Self::authenticated(Self::admin_claims())
    }

    /// Somebody of whom nothing is known.
    pub fn anonymous() -> Self {
        Self {
            name: "mesh-system:anonymous".to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
        }
    }

    /// Who showed a token with these claims.
    pub fn authenticated(claims: UserClaims) -> Self {
        let UserClaims { name, mut groups } = claims;
        groups.push(AUTHENTICATED.to_owned());
        Self { name, groups }
    }

    /// Whether the user may do everything.
    pub fn is_admin(&self) -> bool {
        self.name == ADMIN || self.groups.iter().any(|group| group == ADMIN)
    }

    /// What the administrator's own token says.
    pub(crate) fn admin_claims() -> UserClaims {
        UserClaims {
            name: ADMIN.to_owned(),
            groups: vec![ADMIN.to_owned()],
        }
    }
}

/// `NAME/GROUP,GROUP`, as Kuma writes it.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.groups.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_known_by_name_or_group() {
        let user = |name: &str, groups: &[&str]| {
            User::authenticated(UserClaims {
                name: name.to_owned(),
                groups: groups.iter().map(|&group| group.to_owned()).collect(),
            })
        };
        for (user, is_admin) in [
            (User::admin(), true),
            (user("ada", &["team", ADMIN]), true),
            (user(ADMIN, &[]), true),
            (user("ada", &["team"]), false),
            (user("ada", &["mesh-system:admins"]), false),
            (User::anonymous(), false),
        ] {
            assert_eq!(user.is_admin(), is_admin, "{user}");
        }
        assert_eq!(
            user("ada", &["team"]).to_string(),
            "ada/team,mesh-system:authenticated"
        );
    }
}
