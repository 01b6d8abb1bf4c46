//! One route of a virtual host.

use std::{iter, sync::Arc};

use envoy_types::pb::{
    envoy::{
        config::{
            core::v3::{
                HeaderValue, HeaderValueOption, RuntimeFractionalPercent,
                header_value_option::HeaderAppendAction,
            },
            route::v3::{
                RedirectAction, WeightedCluster,
                redirect_action::{
                    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
                },
                route_action::{ClusterNotFoundResponseCode, RequestMirrorPolicy},
                weighted_cluster::ClusterWeight,
            },
        },
        r#type::{
            matcher::v3::RegexMatchAndSubstitute,
            v3::{FractionalPercent, fractional_percent::DenominatorType},
        },
    },
    google::protobuf::BoolValue,
};

use super::{matching, number, policy, writer::Writer};
use crate::plan::{
    action::{
        Action, Backend, Forward, HeaderEdits, HostRewrite, Mirror, PathRewrite, Redirect,
        RedirectStatus,
    },
    destination::{Destination, cluster_name},
    entry::Entry,
    matching::PathMatch,
    policy::Chosen,
    port::Listener,
    table::Route,
};

/// `Route.match`
const MATCH: u32 = 1;
/// `Route.route`
const ROUTE: u32 = 2;
/// `Route.redirect`
const REDIRECT: u32 = 3;
/// `Route.request_headers_to_add` and `request_headers_to_remove`
const REQUEST_HEADERS: Edits = Edits { add: 9, remove: 12 };
/// `Route.response_headers_to_add` and `response_headers_to_remove`
const RESPONSE_HEADERS: Edits = Edits {
    add: 10,
    remove: 11,
};

/// `RouteAction.cluster`
const CLUSTER: u32 = 1;
/// `RouteAction.weighted_clusters`
const WEIGHTED_CLUSTERS: u32 = 3;
/// `RouteAction.prefix_rewrite`
const PREFIX_REWRITE: u32 = 5;
/// `RouteAction.host_rewrite_literal`
const HOST_REWRITE_LITERAL: u32 = 6;
/// `RouteAction.auto_host_rewrite`
const AUTO_HOST_REWRITE: u32 = 7;
/// `RouteAction.cluster_not_found_response_code`
const CLUSTER_NOT_FOUND_RESPONSE_CODE: u32 = 20;
/// `RouteAction.request_mirror_policies`
const REQUEST_MIRROR_POLICIES: u32 = 30;
/// `RouteAction.regex_rewrite`
const REGEX_REWRITE: u32 = 32;

/// The encoded route but for its [faults](super::faults); made once and kept with it.
pub(super) fn encoded(route: &Route) -> &[u8] {
    route.encoded.get_or_init(|| encode(route))
}

/// The encoded route of everything to the cluster of a destination.
pub(super) fn to_cluster(cluster: &str, destination: &Destination, chosen: &Chosen) -> Box<[u8]> {
    let mut out = Writer::default();
    let everything = PathMatch::Prefix("/".into());
    out.nested(MATCH, |out| matching::path(&everything, out));
    out.nested(ROUTE, |out| {
        out.text(CLUSTER, cluster);
        not_found(out);
        policy::route_action(chosen, iter::once(destination), out);
    });
    policy::route(chosen, &mut out);
    policy::faults(chosen, &mut out);
    out.finish()
}

fn encode(route: &Route) -> Box<[u8]> {
    let Entry {
        matching, action, ..
    } = &*route.entry;
    let mut out = Writer::default();
    out.nested(MATCH, |out| matching::route_match(matching, out));
    match &**action {
        Action::Redirect(action) => {
            let redirect = redirect(action, &matching.path, route.listener.port);
            out.message(REDIRECT, &redirect);
        }
        Action::Forward(action) => {
            out.nested(ROUTE, |out| {
                forward(action, &matching.path, &route.listener, out);
                let backends = action.backends.iter();
                let destinations = backends.map(|backend| &*backend.destination);
                policy::route_action(&route.chosen, destinations, out);
            });
            policy::route(&route.chosen, &mut out);
            header_edits(&action.request_headers, REQUEST_HEADERS, &mut out);
            header_edits(&action.response_headers, RESPONSE_HEADERS, &mut out);
        }
    }
    out.finish()
}

/// Writes the fields of a `RouteAction`.
fn forward(action: &Forward, path: &PathMatch, listener: &Listener, out: &mut Writer) {
    // Envoy spares the work of weighing where there is nothing to weigh.
    match &*action.backends {
        [only] => out.text(CLUSTER, &name(&only.destination, listener)),
        several => out.message(WEIGHTED_CLUSTERS, &weighted(several, listener)),
    }
    not_found(out);
    match action.path.as_ref().map(|to| rewrite(to, path)) {
        Some(Rewrite::Prefix(prefix)) => out.text(PREFIX_REWRITE, &prefix),
        Some(Rewrite::Regex(regex)) => out.message(REGEX_REWRITE, &regex),
        None => {}
    }
    match &action.host {
        Some(HostRewrite::Literal(host)) => out.text(HOST_REWRITE_LITERAL, host),
        Some(HostRewrite::Backend) => out.message(AUTO_HOST_REWRITE, &BoolValue { value: true }),
        None => {}
    }
    for to in &action.mirrors {
        out.message(REQUEST_MIRROR_POLICIES, &mirror(to, listener));
    }
}

/// A cluster that is on its way is the gateway's lack, not the backend's: 500 tells them apart.
fn not_found(out: &mut Writer) {
    let internal_error = ClusterNotFoundResponseCode::InternalServerError;
    out.number(CLUSTER_NOT_FOUND_RESPONSE_CODE, internal_error as u64);
}

fn weighted(backends: &[Backend], listener: &Listener) -> WeightedCluster {
    let mut clusters: Vec<_> = backends
        .iter()
        .map(|backend| ClusterWeight {
            name: name(&backend.destination, listener),
            weight: number(backend.weight),
            ..ClusterWeight::default()
        })
        .collect();
    clusters.sort_by(|left, right| left.name.cmp(&right.name));
    WeightedCluster {
        clusters,
        ..WeightedCluster::default()
    }
}

fn name(destination: &Arc<Destination>, listener: &Listener) -> String {
    cluster_name(destination, &listener.tags)
}

fn mirror(mirror: &Mirror, listener: &Listener) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: name(&mirror.destination, listener),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(fraction(mirror.percentage)),
            ..RuntimeFractionalPercent::default()
        }),
        ..RequestMirrorPolicy::default()
    }
}

/// Whole percents of a hundred, two decimals of ten thousand, the rest of a million.
pub(super) fn fraction(percentage: f64) -> FractionalPercent {
    let fits = |scaled: f64| (scaled - scaled.round()).abs() < 1e-9;
    let (numerator, denominator) = match percentage {
        whole if fits(whole) => (whole, DenominatorType::Hundred),
        cents if fits(cents * 100.0) => (cents * 100.0, DenominatorType::TenThousand),
        fine => (fine * 10_000.0, DenominatorType::Million),
    };
    // At most 100 percent, so at most a million.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let numerator = numerator.round() as u32;
    FractionalPercent {
        numerator,
        denominator: denominator.into(),
    }
}

fn redirect(action: &Redirect, path: &PathMatch, listener_port: u16) -> RedirectAction {
    let status = match action.status {
        RedirectStatus::MovedPermanently => RedirectResponseCode::MovedPermanently,
        RedirectStatus::Found => RedirectResponseCode::Found,
        RedirectStatus::SeeOther => RedirectResponseCode::SeeOther,
        RedirectStatus::TemporaryRedirect => RedirectResponseCode::TemporaryRedirect,
        RedirectStatus::PermanentRedirect => RedirectResponseCode::PermanentRedirect,
    };
    let path = action.path.as_ref().map(|to| match rewrite(to, path) {
        Rewrite::Prefix(prefix) => PathRewriteSpecifier::PrefixRewrite(prefix),
        Rewrite::Regex(regex) => PathRewriteSpecifier::RegexRewrite(regex),
    });
    RedirectAction {
        scheme_rewrite_specifier: action
            .scheme
            .as_ref()
            .map(|scheme| SchemeRewriteSpecifier::SchemeRedirect(scheme.to_string())),
        host_redirect: action.host.as_deref().unwrap_or_default().to_owned(),
        port_redirect: action.port.unwrap_or(listener_port).into(),
        path_rewrite_specifier: path,
        response_code: status.into(),
        strip_query: true,
    }
}

/// How Envoy is told to change a path.
enum Rewrite {
    /// What matched becomes this.
    Prefix(String),
    /// What the expression matches becomes this.
    Regex(RegexMatchAndSubstitute),
}

/// One route takes both `/p` and `/p/x`, so the new prefix has to fit both: where it is the root, or
/// replaces the root, plain replacement would double or lack a slash.
fn rewrite(to: &PathRewrite, matched: &PathMatch) -> Rewrite {
    let (new, prefix) = match (to, matched) {
        (PathRewrite::Full(path), _) => return Rewrite::Regex(substitute(".*", &escape(path))),
        // Without a prefix to replace, the whole path is what matched.
        (PathRewrite::Prefix(new), PathMatch::Exact(_) | PathMatch::Regex(_)) => {
            let new = if new.is_empty() { "/" } else { new };
            return Rewrite::Regex(substitute(".*", &escape(new)));
        }
        (PathRewrite::Prefix(new), PathMatch::Prefix(prefix)) => (new, prefix),
    };
    match (&**prefix, &**new) {
        ("/", "") => Rewrite::Prefix("/".to_owned()),
        ("/", new) => Rewrite::Regex(substitute("^(?:(/.+)|/)$", &format!("{}\\1", escape(new)))),
        (prefix, "") => Rewrite::Regex(substitute(&format!("^{}/?", quote(prefix)), "/")),
        (_, new) => Rewrite::Prefix(new.to_owned()),
    }
}

fn substitute(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute {
        pattern: Some(matching::regex(pattern)),
        substitution: substitution.to_owned(),
    }
}

/// As it stands, where RE2 fills in `\1`.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\")
}

/// As it stands, in an RE2 expression: a backslash before any ASCII punctuation makes it plain.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_ascii_punctuation() && character != '/' && character != '_' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// The fields of a route for one kind of header edits.
#[derive(Clone, Copy)]
struct Edits {
    add: u32,
    remove: u32,
}

fn header_edits(edits: &HeaderEdits, fields: Edits, out: &mut Writer) {
    for edit in &edits.set {
        out.message(
            fields.add,
            &header_option(edit, HeaderAppendAction::OverwriteIfExistsOrAdd),
        );
    }
    for edit in &edits.add {
        out.message(
            fields.add,
            &header_option(edit, HeaderAppendAction::AppendIfExistsOrAdd),
        );
    }
    for name in &edits.remove {
        out.text(fields.remove, name);
    }
}

fn header_option(
    (name, value): &(Box<str>, Box<str>),
    action: HeaderAppendAction,
) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_string(),
            value: value.to_string(),
            ..HeaderValue::default()
        }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}
