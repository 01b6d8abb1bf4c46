//! Resources on disk, in one order, and in memory for every reader.
//!
//! ```text
//!   commit(Batch) ─▶ writer (groups what waits) ─▶ one transaction: revisions, changes, resources
//!                                                        │ wake: NOTIFY, or in process
//!                                                        ▼
//!                         feed: every change once, in revision order ─▶ Index ─▶ watch<Snapshot>
//! ```
//!
//! On disk the specs of secret kinds are encrypted (see [`SecretKeys`]); in memory nothing is.

pub mod batch;
mod engine;
mod evaluate;
pub mod index;
pub mod memory;
pub mod postgres;
mod retention;
mod row;
mod seal;
pub mod sqlite;
pub mod store;

pub use batch::{Batch, Committed, Expect, Outcome, Requirement, Watermark, Write};
pub use index::{Change, Index, Snapshot};
pub use retention::Retention;
pub use seal::{NoKey, SealError, SecretKey, SecretKeys};
pub use store::{Observer, OpenError, Store, StoreError};
