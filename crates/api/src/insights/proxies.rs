//! Dataplanes with their insights: what is online.

use portolan_model::{
    ResourceKey, SpecError, kinds,
    proto::mesh::{
        Dataplane, DataplaneInsight, DiscoverySubscription,
        dataplane::{
            Networking,
            networking::{Gateway, inbound::State, listener},
        },
        dataplane_insight::Mtls,
    },
};
use portolan_store::Snapshot;
use serde::Serialize;

use super::is_zero;

/// How a proxy does, by Kuma's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Online,
    /// Connected, and some of its services are not ready.
    Degraded,
    Offline,
}

/// A Dataplane and what is known of its proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) networking: Networking,
    insight: DataplaneInsight,
}

/// How many proxies there are, and how they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) total: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) online: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) offline: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) partially_degraded: u32,
}

impl Count {
    /// Counts one more proxy.
    pub(super) fn add(&mut self, health: Health) {
        self.total += 1;
        match health {
            Health::Online => self.online += 1,
            Health::Degraded => self.partially_degraded += 1,
            Health::Offline => self.offline += 1,
        }
    }
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            online: self.online + other.online,
            offline: self.offline + other.offline,
            partially_degraded: self.partially_degraded + other.partially_degraded,
        }
    }
}

/// All proxies of a mesh.
///
/// # Errors
/// When a stored spec is not readable.
pub(super) fn of_mesh(snapshot: &Snapshot, mesh: &str) -> Result<Vec<Proxy>, SpecError> {
    let dataplanes = snapshot.list(kinds::DATAPLANE, Some(mesh));
    dataplanes
        .map(|resource| {
            let key = ResourceKey {
                kind: kinds::DATAPLANE_INSIGHT,
                ..resource.key.clone()
            };
            let insight = snapshot
                .get(&key)
                .map(|found| found.spec_as())
                .transpose()?;
            let networking = resource
                .spec_as::<Dataplane>()?
                .networking
                .unwrap_or_default();
            Ok(Proxy {
                networking,
                insight: insight.unwrap_or_default(),
            })
        })
        .collect()
}

impl Proxy {
    /// Its gateway, if it is one.
    pub(super) fn gateway(&self) -> Option<&Gateway> {
        self.networking.gateway.as_ref()
    }

    /// The newest connection.
    pub(super) fn last_subscription(&self) -> Option<&DiscoverySubscription> {
        self.insight.subscriptions.last()
    }

    /// Its certificate in the mesh.
    pub(super) fn mtls(&self) -> Option<&Mtls> {
        self.insight.m_tls.as_ref()
    }

    /// A gateway does well while it is connected; others need all their services ready for that.
    pub(super) fn health(&self) -> Health {
        let connected = self.insight.subscriptions.iter().any(|subscription| {
            subscription.connect_time.is_some() && subscription.disconnect_time.is_none()
        });
        if !connected {
            return Health::Offline;
        }
        if self.gateway().is_some() {
            return Health::Online;
        }
        let Networking {
            inbound, listeners, ..
        } = &self.networking;
        let offered = inbound.iter().filter(|inbound| {
            inbound.health.as_ref().is_none_or(|health| health.ready)
                && inbound.state() != State::NotReady
        });
        let listening = listeners
            .iter()
            .filter(|listener| listener.state() == listener::State::Ready);
        match offered.count() + listening.count() {
            0 => Health::Offline,
            ready if ready < inbound.len() + listeners.len() => Health::Degraded,
            _ => Health::Online,
        }
    }
}
