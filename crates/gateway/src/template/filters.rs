//! Modifications of filters: those of a listener's chains, and those of connection managers among them.

use portolan_model::tags::Tags;
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::value::{list, merge, messages, pack, text, type_url, unpack};

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
/// Filters after which there is nothing to do; Envoy wants one of them at the end of each list.
const LAST: [&str; 4] = [
    MANAGER,
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.direct_response.v3.Config",
    "envoy.extensions.filters.http.router.v3.Router",
];

/// What becomes of filters.
#[derive(Debug)]
pub(super) struct Filters {
    /// The filter that is meant; empty for all.
    pub(super) name: Box<str>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Place {
    First(Value),
    Last(Value),
    Before(Value),
    After(Value),
    Remove,
    Patch(Box<DynamicMessage>),
}

/// Changes the filters of each chain.
pub(super) fn on_chains(listener: &mut DynamicMessage, filters: &Filters) -> Result<(), String> {
    let mut outcome = Ok(());
    for chain in messages(listener, "filter_chains") {
        if let Some(list) = list(chain, "filters") {
            outcome = filters.change(list).and(outcome);
        }
    }
    outcome
}

/// Changes the filters of each connection manager.
pub(super) fn on_managers(listener: &mut DynamicMessage, filters: &Filters) -> Result<(), String> {
    let mut outcome = Ok(());
    for chain in messages(listener, "filter_chains") {
        for filter in messages(chain, "filters") {
            if !is_of(filter, &[MANAGER]) {
                continue;
            }
            let config = filter.get_field_by_name_mut("typed_config");
            let Some(any) = config.and_then(Value::as_message_mut) else {
                continue;
            };
            if let Some(mut manager) = unpack(any)
                && let Some(list) = list(&mut manager, "http_filters")
            {
                outcome = filters.change(list).and(outcome);
                pack(any, &manager);
            }
        }
    }
    outcome
}

impl Filters {
    /// Changes a list, unless Envoy would refuse what came of it.
    fn change(&self, list: &mut Vec<Value>) -> Result<(), String> {
        let before = list.clone();
        let named = list.iter().position(|one| {
            one.as_message()
                .is_some_and(|filter| text(filter, "name") == *self.name)
        });
        match (&self.place, named) {
            (Place::First(filter), _) => list.insert(0, filter.clone()),
            (Place::Last(filter), _) => list.push(filter.clone()),
            (Place::Before(filter), Some(position)) => list.insert(position, filter.clone()),
            (Place::After(filter), Some(position)) => list.insert(position + 1, filter.clone()),
            (Place::Before(_) | Place::After(_), None) => {}
            (Place::Remove, _) => {
                list.retain(|one| !one.as_message().is_some_and(|filter| self.is_meant(filter)));
            }
            (Place::Patch(patch), _) => {
                let filters = list.iter_mut().filter_map(Value::as_message_mut);
                for filter in filters.filter(|filter| self.is_meant(filter)) {
                    merge(filter, patch);
                }
            }
        }
        let ends = |list: &[Value]| {
            let last = list.last().and_then(Value::as_message);
            last.is_some_and(|filter| is_of(filter, &LAST))
        };
        if ends(&before) && !ends(list) {
            *list = before;
            return Err(
                "the last filter has to be the one that answers or hands on, such as \
                 envoy.filters.http.router; use addBefore with its name"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn is_meant(&self, filter: &DynamicMessage) -> bool {
        self.name.is_empty() || text(filter, "name") == *self.name
    }
}

fn is_of(filter: &DynamicMessage, names: &[&str]) -> bool {
    let config = filter.get_field_by_name("typed_config");
    let url = config.and_then(|config| config.as_message().map(type_url));
    url.is_some_and(|url| {
        names
            .iter()
            .any(|name| url.rsplit('/').next() == Some(name))
    })
}

/// The tags of a listener, as its metadata say.
pub(super) fn tags_of(listener: &DynamicMessage) -> Tags {
    let metadata = listener.get_field_by_name("metadata");
    let tags = metadata.and_then(|metadata| {
        let all = metadata
            .as_message()?
            .get_field_by_name("filter_metadata")?
            .into_owned();
        let tags = all
            .as_map()?
            .get(&MapKey::String("io.kuma.tags".to_owned()))?
            .clone();
        let fields = tags.as_message()?.get_field_by_name("fields")?.into_owned();
        let pairs = fields.as_map()?.iter().filter_map(|(name, value)| {
            let text = value.as_message()?.get_field_by_name("string_value")?;
            Some((name.as_str()?.to_owned(), text.as_str()?.to_owned()))
        });
        Some(pairs.collect())
    });
    tags.unwrap_or_default()
}
