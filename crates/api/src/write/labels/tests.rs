use portolan_model::kinds::{DATAPLANE, MESH_GATEWAY, MESH_GATEWAY_ROUTE, ZONE as ZONE_KIND};

use super::*;

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn zone() -> Role {
    Role::Zone {
        name: "east".to_owned(),
    }
}

#[test]
fn what_the_control_plane_adds() {
    let of_zone = [(ENV, "universal"), (ORIGIN, "zone"), (ZONE, "east")];
    let in_mesh = [of_zone.as_slice(), &[(MESH, "default")]].concat();
    let cases = [
        (Role::Global, MESH_GATEWAY, [(MESH, "default")].as_slice()),
        (Role::Global, ZONE_KIND, &[]),
        (zone(), MESH_GATEWAY, &in_mesh),
        (zone(), DATAPLANE, &in_mesh),
        (zone(), MESH_GATEWAY_ROUTE, &[(MESH, "default")]),
    ];
    for (role, kind, added) in cases {
        let completed = complete(
            &role,
            kind,
            "default",
            labels([("team", "a")]),
            labels([("derived", "d")]),
        );
        let mut expected = labels([("team", "a"), ("derived", "d")]);
        expected.extend(
            added
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        assert_eq!(completed, expected, "{kind} on {role:?}");
    }
}

#[test]
fn authors_labels_stay_but_derived_ones_win() {
    let given = labels([(MESH, "other"), ("derived", "mine")]);
    let completed = complete(
        &Role::Global,
        MESH_GATEWAY,
        "default",
        given,
        labels([("derived", "d")]),
    );
    assert_eq!(completed, labels([(MESH, "other"), ("derived", "d")]));
}

#[test]
fn labels_that_mislead_are_warned_of() {
    let given = labels([
        (MESH, "other"),
        ("derived", "mine"),
        ("same", "s"),
        ("team", "a"),
    ]);
    assert_eq!(
        warnings(
            "default",
            &given,
            &labels([("derived", "d"), ("same", "s"), ("new", "n")])
        ),
        [
            "label derived is set by the control plane: \"mine\" became \"d\"",
            "label kuma.io/mesh says \"other\", but the resource is in the mesh \"default\"",
        ]
    );
}

#[test]
fn wrong_labels() {
    let global = "the origin label must be set to 'global'";
    let cases = [
        (
            Role::Global,
            labels([("team", "x"), ("example.com/a.b_c", "")]),
            vec![],
        ),
        (
            Role::Global,
            labels([(ORIGIN, "global"), (ZONE, "any")]),
            vec![],
        ),
        (
            Role::Global,
            labels([(ORIGIN, "zone")]),
            vec![(ORIGIN, global)],
        ),
        (
            Role::Global,
            labels([(ORIGIN, "moon")]),
            vec![
                (ORIGIN, "unknown resource origin \"moon\""),
                (ORIGIN, global),
            ],
        ),
        (
            zone(),
            labels([(ORIGIN, "zone"), (ZONE, "east"), (MESH, "default")]),
            vec![],
        ),
        (
            zone(),
            labels([(ORIGIN, "global")]),
            vec![(ORIGIN, "the origin label must be set to 'zone'")],
        ),
        (
            zone(),
            labels([(ZONE, "west")]),
            vec![(ZONE, "kuma.io/zone label should have east value")],
        ),
        (
            zone(),
            labels([(MESH, "m2")]),
            vec![(
                MESH,
                "kuma.io/mesh label must not differ from mesh set on resource",
            )],
        ),
    ];
    for (role, given, expected) in cases {
        let mut violations = Violations::default();
        for (name, reason) in expected {
            violations.add(format!("labels[\"{name}\"]"), reason);
        }
        assert_eq!(check(&role, "default", &given), violations, "{given:?}");
    }
}

#[test]
fn names_and_values_of_labels() {
    let long = "a".repeat(64);
    for wrong in [
        "", "/a", "a/", "UP/a", "a b", "-a", "a/b/c", "a..b/c", &long,
    ] {
        assert!(wrong_name(wrong).is_some(), "{wrong}");
    }
    for wrong in ["a b", "-", "a-", "ü", &long] {
        assert!(wrong_value(wrong).is_some(), "{wrong}");
    }
    for right in ["a", "A.b-c_9", "kuma.io/zone"] {
        assert_eq!(wrong_name(right), None, "{right}");
    }
}
