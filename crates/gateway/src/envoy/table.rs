//! The route table of a chain: virtual hosts, and in each of them the routes as they are laid out.

use std::sync::Arc;

use envoy_types::pb::{
    envoy::{
        config::{
            core::v3::{
                DataSource, HeaderValue, HeaderValueOption, data_source::Specifier,
                header_value_option::HeaderAppendAction,
            },
            route::v3::{
                DirectResponseAction, Route as EnvoyRoute, RouteConfiguration,
                RouteMatch as EnvoyMatch, VirtualHost, route, route_match::PathSpecifier,
                virtual_host::TlsRequirementType,
            },
        },
        r#type::matcher::v3::HttpRequestHeaderMatchInput,
    },
    xds::core::v3::TypedExtensionConfig,
};
use portolan_model::tags::Tags;
use prost::Message as _;

use super::{
    Encoded, any, boolean, defaults, faults::Faults, policy, route as routes, wire::Message,
};
use crate::{
    layout::{self, Layout, Sizes, Tree},
    plan::{
        hosts::Host,
        port::Tls,
        table::{Route, RouteTable},
    },
};

/// `RouteConfiguration.virtual_hosts`
const VIRTUAL_HOSTS: u32 = 2;
/// `VirtualHost.routes`
const ROUTES: u32 = 3;
/// `VirtualHost.matcher`
const MATCHER: u32 = 21;
/// `xds.type.matcher.v3.Matcher.matcher_tree`
const MATCHER_TREE: u32 = 2;
/// `xds.type.matcher.v3.Matcher.on_no_match`
const ON_NO_MATCH: u32 = 3;
/// `Matcher.MatcherTree.input`
const INPUT: u32 = 1;
/// `Matcher.MatcherTree.prefix_match_map`
const PREFIX_MATCH_MAP: u32 = 3;
/// `Matcher.MatcherTree.MatchMap.map`
const MAP: u32 = 1;
/// Key of every protobuf map entry.
const KEY: u32 = 1;
/// Value of every protobuf map entry.
const VALUE: u32 = 2;
/// `Matcher.OnMatch.action`
const ACTION: u32 = 2;
/// `TypedExtensionConfig.name`
const NAME: u32 = 1;
/// `TypedExtensionConfig.typed_config`
const TYPED_CONFIG: u32 = 2;
/// `google.protobuf.Any.type_url`
const TYPE_URL: u32 = 1;
/// `google.protobuf.Any.value`
const ANY_VALUE: u32 = 2;
/// `RouteList.routes`
const LIST_ROUTES: u32 = 1;

/// Type of a leaf.
const ROUTE_LIST: &str = "type.googleapis.com/envoy.config.route.v3.RouteList";
/// What the tree looks at.
const HEADER_INPUT: &str = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput";

/// The route table of a chain, for gateway instances with these gateway tags. Each virtual host is laid out
/// by the sizes for its name.
pub(crate) fn route_configuration(
    table: &RouteTable,
    tags: &Tags,
    sizes: impl Fn(&str) -> Sizes,
) -> Encoded {
    let listeners = &table.chain().listeners;
    // Said once, unless listeners have tags of their own.
    let same = listeners.iter().all(|listener| listener.tags == *tags);
    let told = same.then(|| gateway_tags(tags));
    let frame = RouteConfiguration {
        name: table.chain().name.to_string(),
        request_headers_to_add: told.into_iter().collect(),
        // Clusters come on a stream of their own; a route may be there first.
        validate_clusters: boolean(false),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    };
    let mut message = Message::default().fields(frame.encode_to_vec());
    let faults: Vec<_> = table
        .hosts()
        .map(|(_, routes)| Faults::of(routes))
        .collect();
    for ((host, routes), faults) in table.hosts().zip(&faults) {
        let routes = Routes { routes, faults };
        let host = virtual_host(host, table, routes, same, sizes(&host.name));
        message.push_message(VIRTUAL_HOSTS, host);
    }
    Encoded::new(message.encode())
}

/// The header that carries a sender's tags to services, which choose policies by them.
///
/// What clients send under this name is replaced. Envoy applies what stands on a route table after what a
/// route or cluster says, so removing it there, as Kuma does, would take our own value too.
pub(super) fn gateway_tags(tags: &Tags) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: defaults::TAGS_HEADER.to_owned(),
            value: tags_header(tags),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// `&kuma.io/service=edge&&kuma.io/zone=east&`, with `%` doubled because Envoy fills in commands.
fn tags_header(tags: &Tags) -> String {
    let pairs = tags.iter().map(|(name, value)| format!("&{name}={value}&"));
    pairs.collect::<String>().replace('%', "%%")
}

/// The routes of a host.
#[derive(Clone, Copy)]
struct Routes<'a> {
    /// In order.
    routes: &'a [Arc<Route>],
    faults: &'a Faults,
}

fn virtual_host<'a>(
    host: &Host,
    table: &RouteTable,
    routes: Routes<'a>,
    tags_are_told: bool,
    sizes: Sizes,
) -> Message<'a> {
    let encrypted = !matches!(table.chain().tls, Tls::None);
    let listener = &table.chain().listeners[host.listener];
    let told = (!tags_are_told).then(|| gateway_tags(&listener.tags));
    let frame = VirtualHost {
        name: host.name.to_string(),
        request_headers_to_add: told.into_iter().collect(),
        domains: vec![host.name.to_string()],
        // Here instead of on each route, which keeps a large table a third smaller.
        retry_policy: policy::retry::default(table.defaults()),
        require_tls: match encrypted {
            true => TlsRequirementType::All.into(),
            false => TlsRequirementType::None.into(),
        },
        response_headers_to_add: encrypted
            .then(strict_transport_security)
            .into_iter()
            .collect(),
        ..VirtualHost::default()
    };
    let message = Message::default()
        .fields(frame.encode_to_vec())
        .fields(routes.faults.on_host());
    let Routes { routes: all, .. } = routes;
    if all.is_empty() {
        return message.field(ROUTES, no_routes());
    }
    match arranged(all, sizes) {
        Layout::List => routes.list(message, ROUTES, 0..all.len()),
        Layout::Tree(tree) => message.message(MATCHER, matcher(tree, routes)),
    }
}

/// How the routes of a virtual host are laid out.
pub(crate) fn arranged(routes: &[Arc<Route>], sizes: Sizes) -> Layout {
    let matching: Vec<_> = routes.iter().map(|route| &route.entry.matching).collect();
    let counts = |position: usize| policy::counts(&routes[position].chosen);
    layout::arrange(&matching, counts, sizes)
}

fn strict_transport_security() -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: "Strict-Transport-Security".to_owned(),
            value: defaults::STRICT_TRANSPORT_SECURITY.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

impl<'a> Routes<'a> {
    /// Adds those at these positions to a message that has them in a field of this number.
    fn list(
        self,
        mut message: Message<'a>,
        field: u32,
        positions: impl IntoIterator<Item = usize>,
    ) -> Message<'a> {
        for position in positions {
            let route = &self.routes[position];
            let encoded = routes::encoded(route);
            match self.faults.on_route(route) {
                None => message.push(field, encoded.into()),
                Some(faults) => {
                    let both = Message::default().fields(encoded).fields(faults);
                    message.push_message(field, both);
                }
            }
        }
        message
    }
}

fn matcher(tree: Tree, routes: Routes<'_>) -> Message<'_> {
    let input = HttpRequestHeaderMatchInput {
        header_name: ":path".to_owned(),
    };
    let input = TypedExtensionConfig {
        name: "path".to_owned(),
        typed_config: Some(any(HEADER_INPUT, &input)),
    };
    let mut map = Message::default();
    for leaf in tree.leaves {
        let entry = Message::default()
            .field(KEY, leaf.key.into_bytes())
            .message(VALUE, on_match(&leaf.routes, routes));
        map.push_message(MAP, entry);
    }
    let matcher_tree = Message::default()
        .field(INPUT, input.encode_to_vec())
        .message(PREFIX_MATCH_MAP, map);
    Message::default()
        .message(MATCHER_TREE, matcher_tree)
        .message(ON_NO_MATCH, on_match(&tree.default, routes))
}

/// A leaf: the list of these routes.
fn on_match<'a>(leaf: &[usize], routes: Routes<'a>) -> Message<'a> {
    let routes = routes.list(Message::default(), LIST_ROUTES, leaf.iter().copied());
    let any = Message::default()
        .field(TYPE_URL, ROUTE_LIST.as_bytes())
        .message(ANY_VALUE, routes);
    let action = Message::default()
        .field(NAME, b"routes".as_slice())
        .message(TYPED_CONFIG, any);
    Message::default().message(ACTION, action)
}

fn no_routes() -> Vec<u8> {
    let answer = DirectResponseAction {
        status: 404,
        body: Some(DataSource {
            specifier: Some(Specifier::InlineString(defaults::NO_ROUTES.to_owned())),
            ..DataSource::default()
        }),
        ..DirectResponseAction::default()
    };
    let everything = EnvoyMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..EnvoyMatch::default()
    };
    EnvoyRoute {
        r#match: Some(everything),
        action: Some(route::Action::DirectResponse(answer)),
        ..EnvoyRoute::default()
    }
    .encode_to_vec()
}
