//! Modifications of virtual hosts. A table may have ten thousand routes: they stay as they are encoded.

use prost::{
    bytes::{BufMut, Bytes},
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::DynamicMessage;

use super::{
    pool::Pool,
    step::{Change, HostChange, Step, What},
    value::{self, fields},
};

/// `RouteConfiguration.virtual_hosts`
const VIRTUAL_HOSTS: u32 = 2;
/// `VirtualHost.name`
const NAME: u32 = 1;
/// `VirtualHost.domains`
const DOMAINS: u32 = 2;
/// `VirtualHost.routes`
const ROUTES: u32 = 3;
/// `VirtualHost.matcher`
const MATCHER: u32 = 21;

/// The changed table; nothing if it stays.
pub(super) fn apply(
    pool: &Pool,
    origin: &str,
    table: &str,
    body: &Bytes,
    steps: &[&Step],
    fault: &mut impl FnMut(&Step, String),
) -> Option<Vec<u8>> {
    let meant = steps.iter().filter(|step| step.is_for(origin, table));
    let meant: Vec<_> = meant.collect();
    if meant.is_empty() {
        return None;
    }
    let all = fields(body.clone())?;
    let (hosts, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(number, ..)| *number == VIRTUAL_HOSTS);
    let mut hosts: Vec<Bytes> = hosts.into_iter().map(|(_, _, content)| content).collect();
    for step in meant {
        let What::VirtualHost(change) = &step.what else {
            continue;
        };
        if let Err(problem) = on_hosts(pool, &mut hosts, change) {
            fault(step, problem);
        }
    }
    let mut table = Vec::with_capacity(body.len());
    for (_, whole, _) in rest {
        table.put_slice(&whole);
    }
    for host in hosts {
        frame(VIRTUAL_HOSTS, &host, &mut table);
    }
    Some(table)
}

fn on_hosts(pool: &Pool, hosts: &mut Vec<Bytes>, change: &HostChange) -> Result<(), String> {
    let is_meant = |host: &Bytes| {
        change.name.is_empty() || texts(host, NAME).any(|name| name == change.name.as_bytes())
    };
    match &change.change {
        Change::Remove => hosts.retain(|host| !is_meant(host)),
        Change::Add(name, encoded) => {
            // Envoy takes no name and no domain twice, and refuses the whole table.
            for (number, what) in [(NAME, "name"), (DOMAINS, "domain")] {
                let mut taken = hosts.iter().flat_map(|host| texts(host, number));
                let new: Vec<_> = texts(&encoded.body, number).collect();
                if let Some(twice) = taken.find(|text| new.contains(text)) {
                    let text = String::from_utf8_lossy(&twice).into_owned();
                    return Err(format!(
                        "virtual host {name}: another has the {what} {text:?}"
                    ));
                }
            }
            if texts(&encoded.body, DOMAINS).next().is_none() {
                return Err(format!("virtual host {name} has no domains"));
            }
            hosts.push(encoded.body.clone());
        }
        Change::Patch(patch) => {
            for host in hosts.iter_mut().filter(|host| is_meant(host)) {
                *host = patched(pool, host, patch, &change.routes)?.into();
            }
        }
    }
    Ok(())
}

/// A virtual host with a patch: routes of the patch come after its own.
fn patched(
    pool: &Pool,
    host: &Bytes,
    patch: &DynamicMessage,
    routes: &[Vec<u8>],
) -> Result<Vec<u8>, String> {
    let unreadable = || "the virtual host cannot be read".to_owned();
    let mut frame_bytes = Vec::new();
    let mut own = Vec::new();
    for (number, whole, _) in fields(host.clone()).ok_or_else(unreadable)? {
        match number {
            MATCHER if !routes.is_empty() => {
                return Err(
                    "the host finds its routes by a matcher, and Envoy takes none beside one; give \
                     them in the host's own matcher"
                        .to_owned(),
                );
            }
            ROUTES | MATCHER => own.put_slice(&whole),
            _ => frame_bytes.put_slice(&whole),
        }
    }
    let descriptor = pool
        .message("envoy.config.route.v3.VirtualHost")
        .ok_or_else(unreadable)?;
    let mut message =
        DynamicMessage::decode(descriptor, Bytes::from(frame_bytes)).map_err(|_| unreadable())?;
    value::merge(&mut message, patch);
    let mut host = value::encode(&message);
    host.append(&mut own);
    for route in routes {
        frame(ROUTES, route, &mut host);
    }
    Ok(host)
}

fn texts(host: &Bytes, number: u32) -> impl Iterator<Item = Bytes> {
    let fields = fields(host.clone()).unwrap_or_default().into_iter();
    fields
        .filter(move |(of, ..)| *of == number)
        .map(|(_, _, content)| content)
}

fn frame(number: u32, content: &[u8], buffer: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, buffer);
    encode_varint(content.len() as u64, buffer);
    buffer.put_slice(content);
}
