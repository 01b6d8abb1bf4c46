//! Writing resources.
//!
//! ```text
//!   body ─▶ meta + spec JSON ─▶ prepare: all violations, or key + labels + spec ─▶ one batch ─▶ answer
//! ```

mod advice;
pub(crate) mod apply;
mod authorities;
pub(crate) mod body;
pub(crate) mod delete;
mod difference;
mod labels;
mod meta;
mod plan;
mod prepare;
pub(crate) mod put;
pub(crate) mod refusal;
