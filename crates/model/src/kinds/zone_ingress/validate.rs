//! What a ZoneIngress must fulfil. The fields and reasons are Kuma's.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::mesh::{ZoneIngress, zone_ingress::Networking},
    validation::{
        Violations, fields,
        tags::{self, Values},
    },
};

/// All that is wrong, in the order of the fields.
pub(super) fn validate(spec: &Bytes) -> Violations {
    let mut violations = Violations::default();
    let Ok(ingress) = ZoneIngress::decode(spec.clone()) else {
        return violations;
    };
    validate_networking(&mut violations, &ingress.networking.unwrap_or_default());
    for (position, service) in ingress.available_services.iter().enumerate() {
        let field = format!("availableService[{position}].tags");
        tags::of_service(&mut violations, &field, &service.tags, Values::OWN);
    }
    violations
}

fn validate_networking(violations: &mut Violations, networking: &Networking) {
    let Networking {
        address,
        advertised_address,
        port,
        advertised_port,
        admin,
    } = networking;
    let is_taken = |admin: u32| {
        let on_loopback = |address: &str| {
            address.parse().is_ok_and(|address: IpAddr| {
                address == IpAddr::from(Ipv4Addr::LOCALHOST) || address.is_unspecified()
            })
        };
        admin == *port && on_loopback(address)
            || admin == *advertised_port && on_loopback(advertised_address)
    };
    if admin.as_ref().is_some_and(|admin| is_taken(admin.port)) {
        violations.add("networking.admin.port", "must differ from port");
    }
    if advertised_address.is_empty() && *advertised_port != 0 {
        violations.add(
            "networking.advertisedAddress",
            "has to be defined with advertisedPort",
        );
    }
    if !advertised_address.is_empty() && *advertised_port == 0 {
        violations.add(
            "networking.advertisedPort",
            "has to be defined with advertisedAddress",
        );
    }
    // Kuma names the field twice.
    for (field, address) in [
        ("networking.address.address", address),
        ("networking.advertisedAddress.address", advertised_address),
    ] {
        if !address.is_empty() {
            fields::address(violations, field, address);
        }
    }
    fields::port(violations, "networking.port".to_owned(), *port);
    if *advertised_port != 0 {
        fields::port(
            violations,
            "networking.advertisedPort".to_owned(),
            *advertised_port,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{kinds::ZONE_INGRESS, validation::tests::check};

    #[test]
    fn every_rule_is_told_as_in_kuma() {
        let valid = json!({
            "zone": "east",
            "networking": {
                "address": "192.168.0.1", "port": 10001,
                "advertisedAddress": "east.example.com", "advertisedPort": 1234,
                "admin": { "port": 10001 },
            },
            "availableServices": [
                { "mesh": "default", "instances": 2, "tags": { "kuma.io/service": "api" } },
            ],
        });
        let networking = |name: &str| format!("/networking/{name}");
        let (address, port) = (networking("address"), networking("port"));
        let (to_address, to_port) = (networking("advertisedAddress"), networking("advertisedPort"));
        check(
            ZONE_INGRESS,
            &valid,
            &[
                (&[(&to_address, Value::Null), (&to_port, Value::Null)], &[]),
                (&[("/availableServices", Value::Null)], &[]),
                (&[("/zone", Value::Null)], &[]),
                (
                    &[(&address, json!("127.0.0.1"))],
                    &["networking.admin.port: must differ from port"],
                ),
                (
                    &[(&to_address, Value::Null)],
                    &["networking.advertisedAddress: has to be defined with advertisedPort"],
                ),
                (
                    &[(&to_port, Value::Null)],
                    &["networking.advertisedPort: has to be defined with advertisedAddress"],
                ),
                (
                    &[
                        (&address, json!("0.0.0.0")),
                        (&to_address, json!("!@#")),
                        (&port, json!(0)),
                        (&to_port, json!(100_000)),
                    ],
                    &[
                        "networking.address.address: must not be 0.0.0.0 or ::",
                        "networking.advertisedAddress.address: address has to be valid IP address or \
                         domain name",
                        "networking.port: port must be in the range [1, 65535]",
                        "networking.advertisedPort: port must be in the range [1, 65535]",
                    ],
                ),
                (
                    &[("/availableServices/0/tags", json!({ "version": "" }))],
                    &[
                        "availableService[0].tags[\"version\"]: tag value must be non-empty",
                        "availableService[0].tags: mandatory tag \"kuma.io/service\" is missing",
                    ],
                ),
            ],
        );
    }
}
