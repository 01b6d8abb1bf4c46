//! Which resources of a list are shown.

use portolan_model::{
    Kind, Resource, Violations, kinds,
    proto::mesh::{
        Dataplane,
        dataplane::networking::{Gateway, gateway::GatewayType},
    },
    tags::{ANY, Tags},
};

use crate::call::Query;

/// What a query asks of resources; all of it must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Part of the name.
    name: String,
    /// Labels with their values.
    labels: Vec<(String, String)>,
    dataplane: DataplaneFilter,
}

/// What can be asked of Dataplanes only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DataplaneFilter {
    gateway: Option<GatewayFilter>,
    /// Parts of tag values, all on one inbound or on the gateway.
    tags: Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GatewayFilter {
    Any,
    None,
    Of(GatewayType),
}

impl Filter {
    /// From `name`, `filter[labels.NAME]`, and for Dataplanes `gateway` and `tag`.
    ///
    /// # Errors
    /// What is no filter.
    pub(crate) fn of(kind: Kind, query: &Query) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut filter = Self {
            name: query.first("name").to_owned(),
            ..Self::default()
        };
        for (parameter, value) in query.pairs().filter(|(key, _)| key.starts_with("filter[")) {
            match parameter
                .strip_prefix("filter[labels.")
                .map(|rest| rest.split_once(']'))
            {
                None => violations.add(parameter, "filters are only supported on labels"),
                Some(Some((label, ""))) => filter.labels.push((label.to_owned(), value.to_owned())),
                Some(_) => violations.add(parameter, "advanced filters are not supported"),
            }
        }
        if kind == kinds::DATAPLANE {
            filter.dataplane = DataplaneFilter::of(query, &mut violations);
        }
        if violations.is_empty() {
            Ok(filter)
        } else {
            Err(violations)
        }
    }

    /// Whether nothing is asked.
    pub(crate) fn takes_all(&self) -> bool {
        self.name.is_empty()
            && self.labels.is_empty()
            && self.dataplane == DataplaneFilter::default()
    }

    /// Whether the resource is shown.
    pub(crate) fn takes(&self, resource: &Resource) -> bool {
        resource.key.name.contains(&self.name)
            && self
                .labels
                .iter()
                .all(|(name, value)| resource.labels.get(name) == Some(value))
            && self.dataplane.takes(resource)
    }
}

impl DataplaneFilter {
    fn of(query: &Query, violations: &mut Violations) -> Self {
        let mode = query.first("gateway").to_ascii_lowercase();
        let gateway = match mode.as_str() {
            "" => None,
            "true" => Some(GatewayFilter::Any),
            "false" => Some(GatewayFilter::None),
            "builtin" => Some(GatewayFilter::Of(GatewayType::Builtin)),
            "delegated" => Some(GatewayFilter::Of(GatewayType::Delegated)),
            other => {
                let reason = format!(
                    "shoud use `true`, `false`, 'builtin' or 'delegated' instead of {other}"
                );
                violations.add("gateway", reason);
                None
            }
        };
        // What is no pair is skipped, as in Kuma.
        let tags = query.all("tag").filter_map(|tag| tag.split_once(':'));
        Self {
            gateway,
            tags: tags
                .map(|(name, part)| (name.to_owned(), part.to_owned()))
                .collect(),
        }
    }

    fn takes(&self, resource: &Resource) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Ok(dataplane) = resource.spec_as::<Dataplane>() else {
            return false;
        };
        let networking = dataplane.networking.unwrap_or_default();
        let gateway = networking.gateway.as_ref();
        let is_of = |wanted| gateway.is_some_and(|gateway: &Gateway| gateway.r#type() == wanted);
        let fits = match self.gateway {
            None => true,
            Some(GatewayFilter::Any) => gateway.is_some(),
            Some(GatewayFilter::None) => gateway.is_none(),
            Some(GatewayFilter::Of(wanted)) => is_of(wanted),
        };
        let of_gateway = gateway.map(|gateway| &gateway.tags);
        let mut owners = networking
            .inbound
            .iter()
            .map(|inbound| &inbound.tags)
            .chain(of_gateway);
        fits && (self.tags.is_empty() || owners.any(|tags| self.takes_tags(tags)))
    }

    fn takes_tags(&self, tags: &Tags) -> bool {
        self.tags.iter().all(|(name, part)| {
            tags.get(name)
                .is_some_and(|value| part == ANY || value.contains(part))
        })
    }
}
