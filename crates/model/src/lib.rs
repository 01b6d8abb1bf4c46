//! What Portolan keeps: kinds, resources, their keys, labels and tags, and the rules that make a
//! resource valid. Everything here is a pure function of values.
//!
//! ```text
//!   kinds/*.rs ──▶ KINDS (one line each) ──▶ Kind ──▶ REST, KDS, CLI, store, index
//!   JSON / protobuf ──▶ Kind::spec_from_json / spec_from_wire ──▶ Resource { key, labels, spec }
//! ```
//!
//! A new kind is one module under [`kinds`] and one line in [`kinds::KINDS`].

pub mod certificate;
pub mod hostname;
pub mod json;
pub mod key;
pub mod kind;
pub mod kinds;
pub mod labels;
pub mod naming;
pub mod resource;
pub mod tags;
pub mod validation;

pub use key::ResourceKey;
pub use kind::{Direction, Kind, Scope, SpecError};
pub use labels::Labels;
pub use resource::{Resource, Revision};
pub use validation::{Violation, Violations};

/// Generated types, for those who work with specs.
pub use portolan_proto as proto;
