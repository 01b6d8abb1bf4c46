//! What every long-running command shares: listeners, logs, and the supervision of tasks.

pub(crate) mod administrators;
pub(crate) mod duration;
pub(crate) mod listen;
pub(crate) mod logging;
pub(crate) mod rest;
pub(crate) mod secret_keys;
pub(crate) mod storage;
pub(crate) mod tasks;
pub(crate) mod tls;
