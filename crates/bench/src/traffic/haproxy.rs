//! HAProxy with the routes of a table.

use std::{ffi::OsString, fmt::Write as _, fs, net::SocketAddr, path::Path};

use super::{
    configuration::service,
    table::{HEADER, Rule, Table},
};
use crate::routes::SERVICES;

/// Where Debian puts it.
pub(crate) const BINARY: &str = "/usr/sbin/haproxy";

/// Writes a configuration with these routes into a folder; the command line for it. Prefixes are in a map,
/// which HAProxy searches as a tree; the rest are rules that it tries in turn.
pub(crate) fn files(
    folder: &Path,
    table: &Table,
    listener: SocketAddr,
    backends: [SocketAddr; 2],
) -> anyhow::Result<Vec<OsString>> {
    let map = folder.join("prefixes.map");
    let (mut prefixes, mut headers, mut regexes) = (String::new(), String::new(), String::new());
    for (number, rule) in table.rules.iter().enumerate() {
        let service = service(number);
        match rule {
            Rule::Prefix(path) => writeln!(prefixes, "{path} {service}")?,
            Rule::PrefixWithHeader(path) => writeln!(
                headers,
                "  use_backend {service} if {{ path_beg {path} }} {{ req.hdr({}) {} }}",
                HEADER.0, HEADER.1
            )?,
            Rule::Regex(pattern) => writeln!(
                regexes,
                "  use_backend {service} if {{ path_reg ^{pattern}$ }}"
            )?,
        }
    }
    fs::write(&map, prefixes)?;
    let servers = SERVICES.into_iter().zip(backends);
    let servers = servers.map(|(service, backend)| {
        format!("backend {service}\n  http-reuse always\n  server {service} {backend}\n")
    });
    let map = map.display();
    let text = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend edge
  bind {listener}
{headers}  use_backend %[path,map_beg({map})] if {{ path,map_beg({map}) -m found }}
{regexes}{}",
        servers.collect::<String>()
    );
    let config = folder.join("haproxy.cfg");
    fs::write(&config, text)?;
    Ok(vec!["-db".into(), "-f".into(), config.into()])
}
