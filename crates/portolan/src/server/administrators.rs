//! Who may read and write secrets, and issue tokens.

use clap::Args;

/// Who is an administrator.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Administrators {
    /// Whether requests from this machine, without a user token, may read and write secrets and issue tokens
    #[arg(
        long,
        env = "PORTOLAN_LOCALHOST_IS_ADMIN",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    pub(crate) localhost_is_admin: bool,
}
