//! The identity of a resource.

use std::{fmt, sync::Arc};

use crate::kind::Kind;

/// Kind, mesh and name; unique within one store. Ordered by kind, then mesh, then name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// What it is.
    pub kind: Kind,
    /// The mesh that it lives in; empty for global-scoped kinds.
    pub mesh: Arc<str>,
    /// Its name, unique within kind and mesh.
    pub name: Arc<str>,
}

impl ResourceKey {
    /// A key of a mesh-scoped kind.
    pub fn in_mesh(kind: Kind, mesh: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            mesh: mesh.into(),
            name: name.into(),
        }
    }

    /// A key of a global-scoped kind.
    pub fn global(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            mesh: "".into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mesh.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.mesh, self.name)
        }
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
