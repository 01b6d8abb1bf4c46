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
    /// Those with one more, by the address of those without and the version of the one.
    extended: HashMap<(usize, Arc<str>), Extended>,
}

/// Resources with one more.
struct Extended {
    resources: Arc<Resources>,
    /// Those without it, kept so that their address stays theirs.
    _base: Arc<Resources>,
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

    /// Adds to a snapshot a resource that the zone made.
    pub(super) fn add(
        &mut self,
        snapshot: &mut Snapshot,
        type_url: &'static str,
        name: &Arc<str>,
        resource: &Resource,
    ) {
        let base = snapshot.types.entry(type_url).or_default();
        let key = (Arc::as_ptr(base).addr(), Arc::clone(&resource.version));
        let extended = self.extended.entry(key).or_insert_with(|| {
            let mut resources = Resources::clone(base);
            resources.insert(Arc::clone(name), resource.clone());
            Extended {
                resources: Arc::new(resources),
                _base: Arc::clone(base),
            }
        });
        *base = Arc::clone(&extended.resources);
    }

    /// Forgets what nobody else holds any more.
    pub(super) fn forget_unused(&mut self) {
        self.extended
            .retain(|_, extended| Arc::strong_count(&extended.resources) > 1);
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

    #[test]
    fn what_is_added_is_shared_too() {
        let mut conversions = Conversions::default();
        let resources = CompiledResources::default();
        let mut with = |version: &str| {
            let mut snapshot = conversions.snapshot(&compiled(&resources), 1);
            let resource = Resource {
                version: version.into(),
                body: version.to_owned().into(),
            };
            conversions.add(&mut snapshot, TYPE, &"more".into(), &resource);
            conversions.forget_unused();
            snapshot.types[TYPE].clone()
        };
        let (one, other) = (with("1"), with("1"));
        assert!(Arc::ptr_eq(&one, &other) && one.contains_key("more"));
        assert_eq!(&*with("2")["more"].version, "2");
        drop((one, other));
        conversions.forget_unused();
        assert!(conversions.types.is_empty() && conversions.extended.is_empty());
    }
}
