//! Resources on disk, in one order, and in memory for every reader.
//!
//! ```text
//!   commit(Batch) ─▶ writer (groups what waits) ─▶ one transaction: revisions, changes, resources
//!                                                        │ wake: NOTIFY, or in process
//!                                                        ▼
//!                         feed: every change once, in revision order ─▶ Index ─▶ watch<Snapshot>
//! ```

pub mod batch;
mod engine;
mod evaluate;
pub mod index;
pub mod memory;
pub mod postgres;
mod retention;
mod row;
pub mod sqlite;
pub mod store;

pub use batch::{Batch, Committed, Expect, Outcome, Requirement, Watermark, Write};
pub use index::{Change, Index, Snapshot};
pub use retention::Retention;
pub use store::{OpenError, Store, StoreError};
