//! The ports of a MeshGateway before and after: listeners, certificates, and who shares connections.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::tags::Tags;

use super::{PortDiff, both, change, routes};
use crate::{
    chart::Passage,
    explain::words,
    plan::{
        certificate::{Identity, Source},
        port::Port,
    },
};

/// A port with its chains; no chains where it is not there.
pub(super) type Side<'a> = Option<&'a [Passage]>;

/// Ports that come, go or change.
pub(super) fn ports(before: &[Passage], after: &[Passage]) -> Vec<PortDiff> {
    let sides = |passages: &'_ [Passage]| -> Vec<(u16, String)> {
        passages
            .iter()
            .map(|passage| (passage.port.number, passage.port.name.to_string()))
            .collect()
    };
    let keys: BTreeSet<_> = [sides(before), sides(after)].concat().into_iter().collect();
    let diffs = keys.into_iter().map(|(_, name)| {
        let (old, new) = (named(before, &name), named(after, &name));
        PortDiff {
            change: change(old, new),
            listeners: [listeners(old, new), limit(old, new)].concat(),
            connections: connections(old, new),
            hosts: routes::hosts(old, new),
            name,
        }
    });
    diffs.filter(PortDiff::differs).collect()
}

fn named<'a>(passages: &'a [Passage], name: &str) -> Side<'a> {
    let mut ports = passages.chunk_by(|left, right| left.port.name == right.port.name);
    ports.find(|port| *port[0].port.name == *name)
}

/// What there is to see of a listener.
#[derive(PartialEq)]
struct Shown<'a> {
    tags: &'a Tags,
    tls: Option<String>,
    identities: Vec<&'a [Identity]>,
    closed: Vec<String>,
}

fn shown(side: Side<'_>) -> BTreeMap<String, Shown<'_>> {
    let passages = side.unwrap_or_default().iter();
    let listeners = passages.flat_map(|passage| {
        let listeners = passage.chain.listeners.iter();
        listeners.map(move |listener| (passage, listener))
    });
    listeners
        .map(|(passage, listener)| {
            let certificates = passage.chain.tls.certificates().iter();
            let closed = passage.closed.iter();
            let shown = Shown {
                tags: &listener.tags,
                tls: words::tls(&passage.chain.tls),
                identities: certificates
                    .filter_map(|certificate| match &certificate.source {
                        Source::Inline(identities) => Some(&**identities),
                        Source::Secret(_) | Source::Nowhere(_) => None,
                    })
                    .collect(),
                closed: closed.map(|fault| fault.reason.to_string()).collect(),
            };
            (listener.hostname.to_string(), shown)
        })
        .collect()
}

fn listeners(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let (old, new) = (shown(before), shown(after));
    let mut words = Vec::new();
    for hostname in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(hostname), new.get(hostname)) {
            (None, Some(new)) => words.push(format!("+ hostname {hostname}{}", new.words())),
            (Some(old), None) => words.push(format!("- hostname {hostname}{}", old.words())),
            (Some(old), Some(new)) => {
                let changes = new.since(old);
                if !changes.is_empty() {
                    words.push(format!("~ hostname {hostname}: {}", changes.join(", ")));
                }
            }
            (None, None) => {}
        }
    }
    words
}

impl Shown<'_> {
    fn words(&self) -> String {
        let tls = self.tls.iter().map(|tls| format!(", {tls}"));
        let closed = (!self.closed.is_empty()).then(|| format!(", {}", self.closes()));
        tls.chain(closed).collect()
    }

    fn closes(&self) -> String {
        format!("closed because {}", self.closed.join(" and "))
    }

    /// What differs from before.
    fn since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.tags != before.tags {
            changes.push("other tags".to_owned());
        }
        let none = || "no TLS".to_owned();
        if self.tls != before.tls {
            let (now, was) = (&self.tls, &before.tls);
            let (now, was) = (
                now.clone().unwrap_or_else(none),
                was.clone().unwrap_or_else(none),
            );
            changes.push(format!("{now} (was: {was})"));
        } else if self.identities != before.identities {
            changes.push("another inline certificate".to_owned());
        }
        if self.closed != before.closed {
            changes.push(match self.closed.is_empty() {
                true => format!("opens (was {})", before.closes()),
                false => self.closes(),
            });
        }
        changes
    }
}

fn limit(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let limit = |port: &Port| match port.connection_limit {
        Some(limit) => limit.to_string(),
        None => "none".to_owned(),
    };
    let (Some([before, ..]), Some([after, ..])) = (before, after) else {
        return Vec::new();
    };
    let (was, now) = (limit(&before.port), limit(&after.port));
    match was == now {
        true => Vec::new(),
        false => vec![format!("~ connection limit {now} (was {was})")],
    }
}

/// Who shares the connections of chains that carry no HTTP.
fn connections(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let shares = |side: Side<'_>| -> Vec<(String, String, u32)> {
        let passages = side.unwrap_or_default().iter();
        let shares = passages.flat_map(|passage| {
            let shares = passage.tcp().map_or(&[][..], |table| table.shares());
            shares.iter().map(move |share| (passage, share))
        });
        shares
            .map(|(passage, share)| {
                let of = match passage.port.protocol.is_encrypted() {
                    true => format!("{} ", passage.chain.hostname),
                    false => String::new(),
                };
                let to = format!("{of}to {}", words::destination(&share.destination));
                (share.cluster.to_string(), to, share.weight)
            })
            .collect()
    };
    let (old, new) = (shares(before), shares(after));
    let key = |(cluster, to, _): &(String, String, u32)| (to.clone(), cluster.clone());
    let pairs = both(old.iter(), new.iter(), key);
    let words = pairs.into_iter().filter_map(|((to, _), pair)| match pair {
        (Some((.., was)), Some((.., now))) if was != now => {
            Some(format!("~ {to} weight {now} (was {was})"))
        }
        (None, Some((.., weight))) => Some(format!("+ {to} weight {weight}")),
        (Some((.., weight)), None) => Some(format!("- {to} weight {weight}")),
        _ => None,
    });
    words.collect()
}
