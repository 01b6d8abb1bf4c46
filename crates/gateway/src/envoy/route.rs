//! One route of a virtual host.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        core::v3::{
            HeaderValue, HeaderValueOption, RuntimeFractionalPercent,
            header_value_option::HeaderAppendAction,
        },
        route::v3::{
            RedirectAction, Route as EnvoyRoute, RouteAction, WeightedCluster,
            redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
            route,
            route_action::{
                ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier,
                RequestMirrorPolicy,
            },
            weighted_cluster::ClusterWeight,
        },
    },
    r#type::{
        matcher::v3::RegexMatchAndSubstitute,
        v3::{FractionalPercent, fractional_percent::DenominatorType},
    },
};
use prost::Message;

use super::{boolean, matching, number};
use crate::plan::{
    action::{
        Action, Forward, HeaderEdits, HostRewrite, Mirror, PathRewrite, Redirect, RedirectStatus,
    },
    destination::{Destination, cluster_name},
    matching::PathMatch,
    port::Listener,
    table::Route,
};

/// The encoded route; made once and kept with it.
pub(super) fn encoded(route: &Route) -> &[u8] {
    route
        .encoded
        .get_or_init(|| build(route).encode_to_vec().into())
}

fn build(route: &Route) -> EnvoyRoute {
    let entry = &route.entry;
    let matching = Some(matching::route_match(&entry.matching));
    match &*entry.action {
        Action::Redirect(action) => EnvoyRoute {
            r#match: matching,
            action: Some(route::Action::Redirect(redirect(
                action,
                &entry.matching.path,
                route.listener.port,
            ))),
            ..EnvoyRoute::default()
        },
        Action::Forward(action) => EnvoyRoute {
            r#match: matching,
            request_headers_to_add: header_options(&action.request_headers),
            request_headers_to_remove: names(&action.request_headers),
            response_headers_to_add: header_options(&action.response_headers),
            response_headers_to_remove: names(&action.response_headers),
            action: Some(route::Action::Route(forward(
                action,
                &entry.matching.path,
                &route.listener,
            ))),
            ..EnvoyRoute::default()
        },
    }
}

fn forward(action: &Forward, path: &PathMatch, listener: &Listener) -> RouteAction {
    let (prefix_rewrite, regex_rewrite) = match action.path.as_ref().map(|to| rewrite(to, path)) {
        Some(Rewrite::Prefix(prefix)) => (prefix, None),
        Some(Rewrite::Regex(regex)) => (String::new(), Some(regex)),
        None => (String::new(), None),
    };
    RouteAction {
        cluster_specifier: Some(clusters(action, listener)),
        // A cluster that is on its way is the gateway's lack, not the backend's: 500 tells them apart.
        cluster_not_found_response_code: ClusterNotFoundResponseCode::InternalServerError.into(),
        prefix_rewrite,
        regex_rewrite,
        host_rewrite_specifier: action.host.as_ref().map(|host| match host {
            HostRewrite::Literal(host) => {
                HostRewriteSpecifier::HostRewriteLiteral(host.to_string())
            }
            // `boolean` gives the wrapper that the field needs; it is never empty.
            HostRewrite::Backend => {
                HostRewriteSpecifier::AutoHostRewrite(boolean(true).unwrap_or_default())
            }
        }),
        request_mirror_policies: action
            .mirrors
            .iter()
            .map(|to| mirror(to, listener))
            .collect(),
        ..RouteAction::default()
    }
}

/// Envoy spares the work of weighing where there is nothing to weigh.
fn clusters(action: &Forward, listener: &Listener) -> ClusterSpecifier {
    if let [only] = &*action.backends {
        return ClusterSpecifier::Cluster(name(&only.destination, listener));
    }
    let mut clusters: Vec<_> = action
        .backends
        .iter()
        .map(|backend| ClusterWeight {
            name: name(&backend.destination, listener),
            weight: number(backend.weight),
            ..ClusterWeight::default()
        })
        .collect();
    clusters.sort_by(|left, right| left.name.cmp(&right.name));
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters,
        ..WeightedCluster::default()
    })
}

fn name(destination: &Arc<Destination>, listener: &Listener) -> String {
    cluster_name(destination, &listener.tags).to_string()
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
fn fraction(percentage: f64) -> FractionalPercent {
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
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_ascii_punctuation() && character != '/' && character != '_' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

fn header_options(edits: &HeaderEdits) -> Vec<HeaderValueOption> {
    let option =
        |(name, value): &(Box<str>, Box<str>), action: HeaderAppendAction| HeaderValueOption {
            header: Some(HeaderValue {
                key: name.to_string(),
                value: value.to_string(),
                ..HeaderValue::default()
            }),
            append_action: action.into(),
            ..HeaderValueOption::default()
        };
    let set = edits
        .set
        .iter()
        .map(|edit| option(edit, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = edits
        .add
        .iter()
        .map(|edit| option(edit, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).collect()
}

fn names(edits: &HeaderEdits) -> Vec<String> {
    edits.remove.iter().map(|name| name.to_string()).collect()
}
