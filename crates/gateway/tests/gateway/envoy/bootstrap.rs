//! A compiled configuration made static, for an Envoy without a control plane.

use std::{fs, path::Path};

use envoy_types::pb::{
    envoy::{
        config::{
            bootstrap::v3::{
                Bootstrap, LayeredRuntime, RuntimeLayer, bootstrap::StaticResources,
                runtime_layer::LayerSpecifier,
            },
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType},
            },
            core::v3::{
                ConfigSource, PathConfigSource, config_source::ConfigSourceSpecifier,
                transport_socket,
            },
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::{FilterChain, Listener, filter},
            route::v3::RouteConfiguration,
        },
        extensions::{
            filters::network::http_connection_manager::v3::{
                HttpConnectionManager, http_connection_manager::RouteSpecifier,
            },
            transport_sockets::tls::v3::{
                CommonTlsContext, DownstreamTlsContext, Secret, UpstreamTlsContext,
                common_tls_context::ValidationContextType,
                downstream_tls_context::SessionTicketKeysType,
            },
        },
        service::{discovery::v3::DiscoveryResponse, runtime::v3::Runtime},
    },
    google::protobuf::{Any, Struct, Value as Field, value::Kind},
};
use portolan_gateway::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT, Compiled, LISTENER, ROUTE_CONFIGURATION, RUNTIME_LAYER,
    SECRET, TICKET_KEY_BYTES, authority_secret, identity_secret, ticket_keys_secret,
};
use portolan_model::certificate::Bundle;
use prost::Message;

use crate::certificates::ECDSA;

/// With certificates in files of `folder`, where [`write_certificates`] replaces them.
pub(super) fn with_certificates_in(compiled: &Compiled, folder: &Path) -> Bootstrap {
    let mut resources = static_resources(compiled);
    let is_of_tickets = |secret: &Secret| Some(&*secret.name) == compiled.ticket_keys.as_deref();
    resources.secrets.retain(is_of_tickets);
    let from_file = |name: &str| {
        let path = folder.join(name).display().to_string() + ".pb";
        Some(ConfigSource {
            config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(
                PathConfigSource {
                    path,
                    ..PathConfigSource::default()
                },
            )),
            ..ConfigSource::default()
        })
    };
    let listeners = resources.listeners.iter_mut();
    for chain in listeners.flat_map(|one| &mut one.filter_chains) {
        with_certificates(chain, from_file);
    }
    for cluster in &mut resources.clusters {
        with_client_certificates(cluster, from_file);
    }
    let layers = decoded::<Runtime>(compiled, RUNTIME_LAYER).map(|runtime| RuntimeLayer {
        name: runtime.name,
        layer_specifier: runtime.layer.map(LayerSpecifier::StaticLayer),
    });
    Bootstrap {
        static_resources: Some(resources),
        layered_runtime: Some(LayeredRuntime {
            layers: layers.chain([regexes_of_any_size()]).collect(),
        }),
        ..Bootstrap::default()
    }
}

/// As data planes are told to start Envoy.
pub(super) fn regexes_of_any_size() -> RuntimeLayer {
    let any_size = Field {
        kind: Some(Kind::NumberValue(u32::MAX.into())),
    };
    let name = "re2.max_program_size.error_level".to_owned();
    RuntimeLayer {
        name: "regexes".to_owned(),
        layer_specifier: Some(LayerSpecifier::StaticLayer(Struct {
            fields: [(name, any_size)].into(),
        })),
    }
}

/// Writes the certificates into files of `folder`. Envoy looks when a file is moved there.
pub(super) fn write_certificates(compiled: &Compiled, folder: &Path) {
    for (name, certificate) in &*compiled.resources[SECRET] {
        let response = DiscoveryResponse {
            version_info: certificate.version.to_string(),
            resources: vec![Any {
                type_url: SECRET.to_owned(),
                value: certificate.body.to_vec(),
            }],
            ..DiscoveryResponse::default()
        };
        let new = folder.join("new");
        fs::write(&new, response.encode_to_vec()).unwrap();
        fs::rename(new, folder.join(format!("{name}.pb"))).unwrap();
    }
}

/// Everything static, certificates too.
pub(super) fn static_resources(compiled: &Compiled) -> StaticResources {
    StaticResources {
        listeners: decoded(compiled, LISTENER)
            .map(|listener| with_static_chains(listener, compiled))
            .collect(),
        clusters: decoded(compiled, CLUSTER)
            .map(|cluster| with_static_endpoints(cluster, compiled))
            .collect(),
        secrets: decoded::<Secret>(compiled, SECRET)
            .chain(identity())
            .chain(compiled.ticket_keys.as_deref().map(ticket_keys))
            .collect(),
    }
}

/// What the zone adds where listeners end TLS.
fn ticket_keys(name: &str) -> Secret {
    let keys = [[1; TICKET_KEY_BYTES], [2; TICKET_KEY_BYTES]];
    let encoded = ticket_keys_secret(name, &keys.each_ref());
    Secret::decode(encoded.body).unwrap()
}

/// What the zone adds where members are connected by mutual TLS: some certificate, and trust in it and in
/// other meshes.
fn identity() -> impl Iterator<Item = Secret> {
    let bundle = Bundle::parse(ECDSA.bundle.as_bytes()).unwrap();
    let pair = &bundle.pairs()[0];
    let (_, own) = identity_secret("default", &pair.chain_pem(), &pair.key_pem());
    let trusted =
        ["default", "other", "all"].map(|mesh| authority_secret(mesh, &pair.chain_pem()).1);
    let secrets = [own].into_iter().chain(trusted);
    secrets.map(|encoded| Secret::decode(encoded.body).unwrap())
}

/// The same for what is trusted of others.
fn with_trust(common: &mut CommonTlsContext, from: impl Fn(&str) -> Option<ConfigSource>) {
    if let Some(ValidationContextType::CombinedValidationContext(combined)) =
        &mut common.validation_context_type
    {
        let trusted = combined.validation_context_sds_secret_config.as_mut();
        let trusted = trusted.expect("a Secret");
        trusted.sds_config = from(&trusted.name);
    }
}

fn decoded<'a, T: Message + Default>(
    compiled: &'a Compiled,
    type_url: &str,
) -> impl Iterator<Item = T> + use<'a, T> {
    compiled.resources[type_url]
        .values()
        .map(|resource| T::decode(resource.body.clone()).unwrap())
}

fn with_static_chains(mut listener: Listener, compiled: &Compiled) -> Listener {
    for chain in &mut listener.filter_chains {
        with_static_routes(chain, compiled);
        with_certificates(chain, |_| None);
    }
    listener
}

fn with_static_routes(chain: &mut FilterChain, compiled: &Compiled) {
    let Some(filter::ConfigType::TypedConfig(config)) = &mut chain.filters[0].config_type else {
        panic!("a filter without configuration");
    };
    if !config.type_url.ends_with("HttpConnectionManager") {
        return;
    }
    let mut manager = HttpConnectionManager::decode(&*config.value).unwrap();
    let rds = match &manager.route_specifier {
        Some(RouteSpecifier::Rds(rds)) => rds,
        // Outbounds have it with them.
        Some(RouteSpecifier::RouteConfig(_)) => return,
        _ => panic!("no route table"),
    };
    let table = &compiled.resources[ROUTE_CONFIGURATION][&*rds.route_config_name];
    let table = RouteConfiguration::decode(table.body.clone()).unwrap();
    manager.route_specifier = Some(RouteSpecifier::RouteConfig(table));
    config.value = manager.encode_to_vec();
}

/// Says where the certificates of a chain come from, by name; nowhere means that they are static.
fn with_certificates(chain: &mut FilterChain, from: impl Fn(&str) -> Option<ConfigSource>) {
    let Some(socket) = &mut chain.transport_socket else {
        return;
    };
    let Some(transport_socket::ConfigType::TypedConfig(config)) = &mut socket.config_type else {
        panic!("a transport socket without configuration");
    };
    let mut context = DownstreamTlsContext::decode(&*config.value).unwrap();
    let common = context.common_tls_context.as_mut().expect("a context");
    for certificate in &mut common.tls_certificate_sds_secret_configs {
        certificate.sds_config = from(&certificate.name);
    }
    with_trust(common, &from);
    if let Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(keys)) =
        &mut context.session_ticket_keys_type
    {
        keys.sds_config = None;
    }
    config.value = context.encode_to_vec();
}

/// The same for what clusters show.
fn with_client_certificates(cluster: &mut Cluster, from: impl Fn(&str) -> Option<ConfigSource>) {
    let matches = cluster.transport_socket_matches.iter_mut();
    let matches = matches.filter_map(|one| one.transport_socket.as_mut());
    for socket in matches.chain(&mut cluster.transport_socket) {
        let Some(transport_socket::ConfigType::TypedConfig(config)) = &mut socket.config_type
        else {
            panic!("a transport socket without configuration");
        };
        let mut context = UpstreamTlsContext::decode(&*config.value).unwrap();
        if let Some(common) = &mut context.common_tls_context {
            for certificate in &mut common.tls_certificate_sds_secret_configs {
                certificate.sds_config = from(&certificate.name);
            }
            with_trust(common, &from);
        }
        config.value = context.encode_to_vec();
    }
}

/// External services and collectors have their endpoints with them.
fn with_static_endpoints(mut cluster: Cluster, compiled: &Compiled) -> Cluster {
    with_client_certificates(&mut cluster, |_| None);
    if cluster.eds_cluster_config.is_none() {
        return cluster;
    }
    let endpoints = &compiled.resources[CLUSTER_LOAD_ASSIGNMENT][&*cluster.name];
    let endpoints = ClusterLoadAssignment::decode(endpoints.body.clone()).unwrap();
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into()));
    cluster.eds_cluster_config = None;
    cluster.load_assignment = Some(endpoints);
    cluster
}
