//! A host with two certificates, of RSA and of ECDSA: each client is shown the one that it knows.

use std::process::{Command, Stdio};

use super::{
    https,
    process::{Envoy, free_port},
};
use crate::{
    certificates::{ECDSA, RSA, secret_of},
    support::view,
};

/// What clients say that they know, for openssl, and the type of the certificate that they are shown.
const CLIENTS: [(&[&str], &str); 6] = [
    (&["-tls1_3"], "ECDSA"),
    (&["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"], "ECDSA"),
    (&["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], "RSA-PSS"),
    (&["-tls1_2"], "ECDSA"),
    (
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        "ECDSA",
    ),
    (
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
        "RSA-PSS",
    ),
];

/// How the server signed, as openssl says it.
fn signature(port: u16, client: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-servername", "a.test"])
        .args(client)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("Peer signature type: "));
    line.unwrap_or_else(|| panic!("{client:?}: {output:?}"))
        .to_owned()
}

#[test]
fn each_client_is_shown_the_certificate_that_it_knows() {
    for (certificates, secrets) in [
        ("[{secret: both}]", secret_of("both", &[&RSA, &ECDSA])),
        (
            "[{secret: a}, {secret: b}]",
            RSA.secret("a") + &ECDSA.secret("b"),
        ),
        (
            "[{secret: b}, {secret: a}]",
            RSA.secret("a") + &ECDSA.secret("b"),
        ),
    ] {
        let port = free_port();
        let gateway =
            https::gateway(port, &[("a.test", "some")]).replace("[{secret: some}]", certificates);
        let mut view = view(&(gateway + &secrets));
        let Some(_envoy) = Envoy::start(&mut view, port) else {
            return;
        };
        for (client, expected) in CLIENTS {
            assert_eq!(
                signature(port, client),
                expected,
                "{certificates} {client:?}"
            );
        }
    }
}
