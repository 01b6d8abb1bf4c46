//! Compiled resources in the form in which the ADS server sends them.

use std::{collections::HashMap, sync::Arc};

use portolan_gateway::{Compiled, Resources as CompiledResources};
use portolan_model::Revision;
use portolan_xds::{Resource, Resources, Snapshot};

/// What was converted and is still in use. Instances whose gateways share resources of a type share their
/// conversion, and a type that does not change keeps it, so that streams need not look at it again.
#[derive(Default)]
pub(super) struct Conversions {
    /// By address of the compiled resources, which are kept with it so that it stays theirs.
    types: HashMap<usize, (CompiledResources, Arc<Resources>)>,
}

impl Conversions {
    /// What an instance with this configuration should have.
    pub(super) fn snapshot(&mut self, compiled: &Compiled, watermark: Revision) -> Snapshot {
        let types = compiled
            .resources
            .iter()
            .map(|(type_url, resources)| (*type_url, self.convert(resources)))
            .collect();
        Snapshot { watermark, types }
    }

    /// Forgets what nobody else holds any more.
    pub(super) fn forget_unused(&mut self) {
        self.types
            .retain(|_, (_, converted)| Arc::strong_count(converted) > 1);
    }

    fn convert(&mut self, compiled: &CompiledResources) -> Arc<Resources> {
        let address = Arc::as_ptr(compiled).addr();
        let (_, converted) = self.types.entry(address).or_insert_with(|| {
            let resources = compiled.iter().map(|(name, encoded)| {
                let (version, body) = (Arc::clone(&encoded.version), encoded.body.clone());
                (Arc::clone(name), Resource { version, body })
            });
            (Arc::clone(compiled), Arc::new(resources.collect()))
        });
        Arc::clone(converted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "type.googleapis.com/some.Type";

    fn compiled(resources: &CompiledResources) -> Compiled {
        Compiled {
            resources: [(TYPE, Arc::clone(resources))].into(),
            ..Compiled::default()
        }
    }

    #[test]
    fn what_is_shared_is_converted_once_and_what_is_not_used_is_forgotten() {
        let mut conversions = Conversions::default();
        let resources = CompiledResources::default();
        let one = conversions.snapshot(&compiled(&resources), 1);
        let other = conversions.snapshot(&compiled(&resources), 2);
        assert!(Arc::ptr_eq(&one.types[TYPE], &other.types[TYPE]));
        drop(one);
        conversions.forget_unused();
        assert_eq!(conversions.types.len(), 1);
        drop(other);
        conversions.forget_unused();
        assert!(conversions.types.is_empty());
    }
}
