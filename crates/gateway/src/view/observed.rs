//! What is logged, traced and changed of the proxy of a member, or of DELEGATED gateway instances that are alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::{
    kinds::{TRAFFIC_LOG, TRAFFIC_TRACE},
    tags::Tags,
};

use crate::{
    compiled::Compiled,
    envoy::{self, Encoded},
    fault::{Fault, Reason},
    plan::proxy::{ForProxy, LogBackend, ProxyPolicies, TraceBackend},
    template::{self, Memory},
};

/// What is chosen, and what became of it.
#[derive(Debug)]
pub(super) struct Observed {
    /// Whether policies changed since it was chosen.
    pub(super) is_stale: bool,
    for_proxy: ForProxy,
    /// What is chosen for each outbound, whose destination chooses its TrafficLog.
    outbounds: Vec<ForProxy>,
    /// What a ProxyTemplate made of each type of resources.
    modified: BTreeMap<&'static str, Memory>,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            is_stale: true,
            for_proxy: ForProxy::default(),
            outbounds: Vec::new(),
            modified: BTreeMap::new(),
        }
    }
}

impl Observed {
    /// Chooses anew for a proxy with these tags and outbounds to these destinations; gives the cluster of the
    /// collector of its traces, if there is one.
    pub(super) fn choose<'a>(
        &mut self,
        mesh: &Arc<str>,
        tags: &Tags,
        to: impl Iterator<Item = &'a Tags>,
        policies: &ProxyPolicies,
    ) -> Option<(Arc<str>, Encoded)> {
        let before = std::mem::replace(&mut self.for_proxy, policies.choose(mesh, tags));
        if !before.templates_as(&self.for_proxy) {
            self.modified.clear();
        }
        let outbounds = to.map(|destination| policies.choose_to(mesh, tags, destination));
        self.outbounds = outbounds.collect();
        let collector = self.traced()?;
        let name = envoy::collector_name(collector).into();
        Some((name, envoy::collector_cluster(collector)))
    }

    /// Where traces go, if anywhere.
    pub(super) fn traced(&self) -> Option<&TraceBackend> {
        self.for_proxy.trace_backend.as_deref()
    }

    /// Where lines about the outbound at this position go, if anywhere.
    pub(super) fn log(&self, position: usize) -> Option<&LogBackend> {
        self.outbounds.get(position)?.log_backend.as_deref()
    }

    /// What had to be left out; of logs where it is a member's, of this name, which takes lines for collectors or
    /// not.
    pub(super) fn faults(
        &self,
        mesh: &Arc<str>,
        member: Option<&Arc<str>>,
        has_pipe: bool,
    ) -> Vec<Fault> {
        let mut faults: Vec<_> = self.for_proxy.faults_of(TRAFFIC_TRACE).cloned().collect();
        let Some(name) = member else { return faults };
        for chosen in &self.outbounds {
            faults.extend(chosen.faults_of(TRAFFIC_LOG).cloned());
            if let Some((resource, backend)) = chosen.collector(mesh).filter(|_| !has_pipe) {
                faults.push(Fault {
                    resource,
                    field: "conf.backend".to_owned(),
                    reason: Reason::NoLogPipe(backend.name.to_string(), name.clone()),
                });
            }
        }
        faults
    }

    /// Lets the ProxyTemplate change a configuration.
    pub(super) fn modify(&mut self, compiled: &mut Compiled) {
        let Some(template) = self.for_proxy.template() else {
            return;
        };
        let mut faults: BTreeSet<_> = compiled.faults.iter().cloned().collect();
        faults.extend(template.faults().iter().cloned());
        for (type_url, resources) in &mut compiled.resources {
            let memory = self.modified.entry(type_url).or_default();
            let outcome = template.apply(type_url, resources, template::of_member, memory);
            *resources = outcome.resources;
            faults.extend(outcome.faults);
        }
        compiled.faults = faults.into_iter().collect();
    }
}
