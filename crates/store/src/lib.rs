//! Resources on disk, in one order, and in memory for every reader.
//!
//! ```text
//!   commit(Batch) ─▶ writer (groups what waits) ─▶ one transaction: revisions, changes, resources
//!                                                        │ wake: NOTIFY, or in process
//!                                                        ▼
//!                         feed: every change once, in revision order ─▶ Index ─▶ watch<Snapshot>
//! ```

pub mod batch;
pub mod index;
pub mod store;

pub use batch::{Batch, Committed, Expect, Outcome, Requirement, Watermark, Write};
pub use index::{Change, Index, Snapshot};
pub use store::{Store, StoreError};
