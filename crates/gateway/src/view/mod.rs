//! What a zone's gateways depend on, kept in indexes change by change, and their configurations.

mod clusters;
mod cross_mesh;
mod delegated;
mod external;
mod group;
mod ingress;
mod member;
mod observed;
mod ports;
mod remote;
mod resources;
mod secrets;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portolan_model::{
    Resource, ResourceKey,
    kinds::{DATAPLANE, MESH, MESH_GATEWAY, MESH_GATEWAY_ROUTE, SECRET, ZONE_INGRESS},
    tags::Tags,
};

use crate::{
    compiled::Compiled,
    layout::Sizes,
    plan::{
        dataplane::{Dataplane, GatewayInstance},
        external::Externals,
        gateway::Gateway,
        mtls::Mtls,
        named::Named,
        outbound::DelegatedInstance,
        policy::Policies,
        proxy::ProxyPolicies,
        remote::RemoteServices,
        route::{HttpRoute, Shared},
        services::Services,
        table::Routes,
        tcp::{TcpRoute, TcpRoutes},
    },
};
use delegated::DelegatedGroup;
use external::Reach;
use group::Group;
use ingress::{Entrance, Ingresses};
use member::Members;
use secrets::Secrets;

/// The resources of a zone as its gateways see them.
///
/// [`put`](Self::put) and [`remove`](Self::remove) follow the store's feed; each costs what it changes.
/// [`compile`](Self::compile) brings a gateway's configuration up to date with what was put since, so
/// changes that come together are compiled together.
#[derive(Debug)]
pub struct ZoneView {
    zone: Arc<str>,
    sizes: Sizes,
    meshes: BTreeMap<Arc<str>, Mesh>,
    /// What meshes offer to members of others, as instances with `kuma.io/mesh`.
    offers: Arc<Services>,
    ingresses: Ingresses,
}

/// The resources of one mesh.
#[derive(Debug, Default)]
struct Mesh {
    sizes: Sizes,
    sources: Sources,
    shared: Shared,
    dataplanes: BTreeMap<Arc<str>, Dataplane>,
    /// BUILTIN gateway instances by their tags: all of one group have the same MeshGateway and routes.
    groups: BTreeMap<Tags, Group>,
    /// DELEGATED gateway instances by all that shapes their configuration.
    delegated: BTreeMap<Arc<DelegatedInstance>, DelegatedGroup>,
    /// Dataplanes that are no gateways.
    members: Members,
    /// What it adds to the offers of all meshes.
    offer: cross_mesh::Offer,
    /// Names of those of its Dataplanes whose proxies are away.
    away: BTreeSet<Arc<str>>,
    /// What of it other zones are let in to.
    entrance: Entrance,
}

/// What a gateway's configuration is made from.
#[derive(Debug, Default)]
struct Sources {
    gateways: BTreeMap<Arc<str>, Arc<Gateway>>,
    routes: Routes,
    tcp_routes: TcpRoutes,
    secrets: Secrets,
    services: Services,
    externals: Externals,
    remotes: RemoteServices,
    named: Named,
    mtls: Option<Mtls>,
    policies: Policies,
    proxy_policies: ProxyPolicies,
    /// What all meshes offer to members of others.
    offers: Arc<Services>,
}

impl Sources {
    /// What proxies with these tags reach in their mesh from this zone; `ipv6` if all have such addresses.
    fn reach<'a>(&'a self, zone: &'a str, source: &'a Tags, ipv6: bool) -> Reach<'a> {
        Reach {
            services: &self.services,
            offers: &self.offers,
            externals: &self.externals,
            remotes: &self.remotes,
            named: &self.named,
            mtls: self.mtls.as_ref(),
            zone,
            source,
            ipv6,
        }
    }
}

impl ZoneView {
    /// An empty view of this zone.
    pub fn new(zone: &str) -> Self {
        Self::with_sizes(zone, Sizes::default())
    }

    /// An empty view of this zone, with lists of routes of other sizes.
    pub fn with_sizes(zone: &str, sizes: Sizes) -> Self {
        Self {
            zone: zone.into(),
            sizes,
            meshes: BTreeMap::new(),
            offers: Arc::default(),
            ingresses: Ingresses::default(),
        }
    }

    /// The mesh of this name, empty if nothing is known of it.
    fn mesh(&mut self, name: &Arc<str>) -> &mut Mesh {
        let sizes = self.sizes;
        self.meshes.entry(name.clone()).or_insert_with(|| Mesh {
            sizes,
            ..Mesh::default()
        })
    }

    /// Takes over a resource that was created or changed. Kinds that gateways do not depend on are
    /// passed over.
    pub fn put(&mut self, resource: &Arc<Resource>) {
        self.put_external(resource);
        self.put_mtls(resource);
        self.put_ingress(resource);
        let ResourceKey { kind, name, .. } = &resource.key;
        let own = [MESH_GATEWAY, MESH_GATEWAY_ROUTE, SECRET, DATAPLANE].contains(kind);
        if !own && !Policies::has(*kind) && !ProxyPolicies::has(*kind) {
            return;
        }
        let zone = self.zone.clone();
        let mesh = self.mesh(mesh_of(&resource.key));
        if *kind == MESH && mesh.sources.policies.set_mesh(Some(resource)) {
            mesh.policies_changed();
        }
        if *kind == MESH_GATEWAY {
            mesh.set_gateway(name, Some(Gateway::read(resource)));
        } else if *kind == MESH_GATEWAY_ROUTE {
            mesh.set_route(name, Some(resource));
        } else if *kind == SECRET {
            mesh.set_secret(name, Some(resource));
        } else if Policies::has(*kind) {
            mesh.sources.policies.put(resource);
            mesh.policies_changed();
        } else if ProxyPolicies::has(*kind) {
            mesh.sources.proxy_policies.put(resource);
            mesh.proxy_policies_changed();
        } else {
            mesh.set_dataplane(name, Some(Dataplane::read(resource, &zone)));
            mesh.members.put(name, resource);
        }
        self.offer(&resource.key);
    }

    /// Forgets a resource that was deleted.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.remove_external(key);
        self.remove_mtls(key);
        self.remove_ingress(key);
        let Some(mesh) = self.meshes.get_mut(mesh_of(key)) else {
            return;
        };
        if key.kind == MESH && mesh.sources.policies.set_mesh(None) {
            mesh.policies_changed();
        }
        if key.kind == MESH_GATEWAY {
            mesh.set_gateway(&key.name, None);
        } else if key.kind == MESH_GATEWAY_ROUTE {
            mesh.set_route(&key.name, None);
        } else if key.kind == SECRET {
            mesh.set_secret(&key.name, None);
        } else if key.kind == DATAPLANE {
            mesh.set_dataplane(&key.name, None);
            mesh.members.remove(&key.name);
        } else if Policies::has(key.kind) {
            mesh.sources.policies.remove(key);
            mesh.policies_changed();
        } else if ProxyPolicies::has(key.kind) {
            mesh.sources.proxy_policies.remove(key);
            mesh.proxy_policies_changed();
        }
        self.offer(key);
    }

    /// The configuration of the proxy of a Dataplane, be it a gateway instance or a member of the mesh, or of
    /// a ZoneIngress; nothing if the zone has none of this key.
    ///
    /// The same `Arc` comes back until something changes that it depends on. BUILTIN instances with equal
    /// tags and address get the same one; what differs by address alone is shared by all with equal tags.
    /// DELEGATED instances with equal tags and outbounds get the same one.
    pub fn compile(&mut self, dataplane: &ResourceKey) -> Option<Arc<Compiled>> {
        self.compile_with(dataplane, None)
    }

    /// As [`compile`](Self::compile), for an instance whose data plane passes on what Envoy writes into
    /// this pipe: lines as `HOST:PORT;TEXT`, each to the access log collector that it names. Instances have
    /// their own listeners while a TrafficLog sends lines there.
    pub fn compile_with(
        &mut self,
        dataplane: &ResourceKey,
        log_pipe: Option<&str>,
    ) -> Option<Arc<Compiled>> {
        if dataplane.kind == ZONE_INGRESS {
            return self.compile_ingress(&dataplane.name);
        }
        let mesh = self.meshes.get_mut(&dataplane.mesh)?;
        mesh.sources.offers = self.offers.clone();
        let sources = &mesh.sources;
        match mesh.dataplanes.get(&dataplane.name)?.gateway.as_ref() {
            None => mesh
                .members
                .compile(dataplane, log_pipe, sources, &self.zone),
            Some(GatewayInstance::Builtin(instance)) => {
                let group = mesh.groups.get_mut(&instance.tags)?;
                group.compile(dataplane, log_pipe, sources, &self.zone)
            }
            Some(GatewayInstance::Delegated(instance)) => {
                let group = mesh.delegated.get_mut(instance)?;
                Some(group.compile(&dataplane.mesh, None, sources, &self.zone))
            }
        }
    }
}

/// The mesh that a resource belongs to; a Mesh to itself.
pub(crate) fn mesh_of(key: &ResourceKey) -> &Arc<str> {
    match key.kind == MESH {
        true => &key.name,
        false => &key.mesh,
    }
}

impl Mesh {
    fn proxy_policies_changed(&mut self) {
        let groups = self.groups.values_mut();
        groups.for_each(Group::proxy_policies_changed);
        let delegated = self.delegated.values_mut();
        delegated.for_each(DelegatedGroup::proxy_policies_changed);
        self.members.proxy_policies_changed();
    }

    fn policies_changed(&mut self) {
        self.groups.values_mut().for_each(Group::policies_changed);
        self.delegated
            .values_mut()
            .for_each(DelegatedGroup::policies_changed);
        self.members.policies_changed();
    }

    /// Finds out anew who acts on requests to these services.
    fn place_policies(&mut self, services: &BTreeSet<&str>) {
        let Sources {
            policies,
            services: all,
            remotes,
            externals,
            ..
        } = &mut self.sources;
        let mut differs = false;
        for service in services {
            let zone = std::iter::once(&*all);
            differs |= policies
                .place
                .set_service(service, zone, remotes, externals);
        }
        if differs {
            self.policies_changed();
        }
    }

    fn set_gateway(&mut self, name: &Arc<str>, gateway: Option<Gateway>) {
        match gateway {
            Some(gateway) => self
                .sources
                .gateways
                .insert(name.clone(), Arc::new(gateway)),
            None => self.sources.gateways.remove(name),
        };
        self.groups.values_mut().for_each(Group::gateways_changed);
    }

    fn set_route(&mut self, name: &Arc<str>, route: Option<&Resource>) {
        let http = route.and_then(|resource| HttpRoute::read(resource, &mut self.shared));
        let tcp = match &http {
            None => route.and_then(|resource| TcpRoute::read(resource, &mut self.shared)),
            Some(_) => None,
        };
        // A route that was of one sort may be of the other now.
        match http {
            Some(http) => self.sources.routes.insert(name.clone(), Arc::new(http)),
            None => self.sources.routes.remove(name),
        };
        match tcp {
            Some(tcp) => self.sources.tcp_routes.insert(name.clone(), Arc::new(tcp)),
            None => self.sources.tcp_routes.remove(name),
        };
        for group in self.groups.values_mut() {
            group.route_changed(name);
        }
        self.name_destinations(name);
    }

    /// Takes over which destinations a route names.
    fn name_destinations(&mut self, route: &Arc<str>) {
        let Sources {
            routes,
            tcp_routes,
            named,
            ..
        } = &mut self.sources;
        let http = routes.get(route).into_iter();
        let http = http.flat_map(|route| route.destinations());
        let tcp = tcp_routes.get(route).into_iter();
        let tcp = tcp.flat_map(|route| &route.backends);
        let all = http.chain(tcp.map(|backend| &backend.destination));
        let touched = named.set(route, all);
        self.touch(&touched);
    }

    fn set_secret(&mut self, name: &Arc<str>, secret: Option<&Resource>) {
        match secret {
            Some(resource) => self.sources.secrets.insert(resource),
            None => self.sources.secrets.remove(name),
        }
        for group in self.groups.values_mut() {
            group.secret_changed(name);
        }
    }

    fn set_dataplane(&mut self, name: &Arc<str>, new: Option<Dataplane>) {
        let old = self.dataplanes.remove(name).unwrap_or_default();
        let gone = new.is_none();
        let mut new = new.unwrap_or_default();
        if self.away.contains(name) {
            new.set_away(true);
        }
        self.sources.services.remove(name, &old.instances);
        self.sources.services.insert(name, &new.instances);
        let instances = old.instances.iter().chain(&new.instances);
        let services: BTreeSet<&str> = instances.map(|instance| instance.service()).collect();
        self.services_changed(&services);
        if old.gateway != new.gateway {
            if let Some(instance) = &old.gateway {
                self.leave(name, instance);
            }
            if let Some(instance) = &new.gateway {
                self.join(name, instance);
            }
        }
        if !gone {
            self.dataplanes.insert(name.clone(), new);
        }
    }

    fn join(&mut self, name: &Arc<str>, instance: &GatewayInstance) {
        match instance {
            GatewayInstance::Builtin(instance) => {
                let group = self.groups.entry(instance.tags.clone());
                let group = group.or_insert_with(|| Group::new(instance.tags.clone(), self.sizes));
                group.join(name, &instance.address);
            }
            GatewayInstance::Delegated(instance) => {
                let group = self.delegated.entry(instance.clone());
                let group = group.or_insert_with(|| DelegatedGroup::new(instance.clone()));
                group.join(name);
            }
        }
    }

    fn leave(&mut self, name: &Arc<str>, instance: &GatewayInstance) {
        match instance {
            GatewayInstance::Builtin(instance) => {
                if let Some(group) = self.groups.get_mut(&instance.tags) {
                    group.leave(name);
                    if group.is_empty() {
                        self.groups.remove(&instance.tags);
                    }
                }
            }
            GatewayInstance::Delegated(instance) => {
                if let Some(group) = self.delegated.get_mut(instance) {
                    group.leave(name);
                    if group.is_empty() {
                        self.delegated.remove(instance);
                    }
                }
            }
        }
    }
}
