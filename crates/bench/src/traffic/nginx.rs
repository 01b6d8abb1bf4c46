//! nginx with the routes of a table.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    configuration::service,
    table::{HEADER, Rule, Table},
};
use crate::routes::{HOST, SERVICES};

/// Where Debian puts it, which is not on everybody's PATH.
const PLACES: [&str; 2] = ["/usr/sbin/nginx", "/usr/bin/nginx"];

/// The binary.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let places = PLACES.into_iter().map(PathBuf::from);
    let found = places.into_iter().find(|path| path.is_file());
    found.context("nginx is not installed: install the package `nginx-light`")
}

/// Writes a configuration with these servers into a folder; the command line for it. One process, so that
/// ending it ends all of it.
pub(crate) fn files(folder: &Path, servers: &str) -> anyhow::Result<Vec<OsString>> {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|of| format!("{of}_temp_path {}/{of};\n", folder.display()));
    let text = format!(
        "daemon off;
master_process off;
pid {}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
access_log off;
{}{servers}}}
",
        folder.display(),
        temporary.concat()
    );
    let config = folder.join("nginx.conf");
    fs::write(&config, text)?;
    let args = ["-p".into(), folder.into(), "-c".into(), config.into()];
    let log = ["-e".into(), "stderr".into()];
    Ok(args.into_iter().chain(log).collect())
}

/// A gateway with these routes.
pub(crate) fn gateway(table: &Table, listener: SocketAddr, backends: [SocketAddr; 2]) -> String {
    let upstreams = SERVICES.into_iter().zip(backends).map(|(service, backend)| {
        format!("upstream {service} {{ server {backend}; keepalive 64; keepalive_requests 1000000000; }}\n")
    });
    let rules = table.rules.iter().enumerate();
    let locations = rules.map(|(number, rule)| {
        let pass = format!("proxy_pass http://{};", service(number));
        match rule {
            // A prefix goes before all expressions.
            Rule::Prefix(path) => format!("location ^~ {path} {{ {pass} }}\n"),
            Rule::PrefixWithHeader(path) => {
                let header = HEADER.0.replace('-', "_");
                let missing = format!("if ($http_{header} != {}) {{ return 404; }}", HEADER.1);
                format!("location ^~ {path} {{ {missing} {pass} }}\n")
            }
            Rule::Regex(pattern) => format!("location ~ ^{pattern}$ {{ {pass} }}\n"),
        }
    });
    format!(
        "{}server {{
listen {listener};
server_name {HOST};
keepalive_requests 1000000000;
proxy_http_version 1.1;
proxy_set_header Connection '';
proxy_set_header Host $host;
{}}}
",
        upstreams.collect::<String>(),
        locations.collect::<String>()
    )
}
