//! What a Dataplane may say of the machine that it runs on, without being told: its host's name, and the
//! address from which the zone is reached.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::Url;
use tokio::net::{UdpSocket, lookup_host};

use super::template;

/// The variable with the host's name.
const HOSTNAME: &str = "hostname";
/// The variable with the address.
const ADDRESS: &str = "address";

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// The variables for this template: those that are given, and those of the machine that it names beside.
/// Waits while the zone's name is not known or no network leads there.
pub(super) async fn variables(
    text: &str,
    given: &BTreeMap<String, String>,
    zone: &Url,
) -> BTreeMap<String, String> {
    let mut variables = given.clone();
    let wants = |name| !given.contains_key(name) && template::names(text).any(|one| one == name);
    if wants(HOSTNAME)
        && let Some(name) = hostname()
    {
        variables.insert(HOSTNAME.to_owned(), name);
    }
    if wants(ADDRESS) {
        variables.insert(ADDRESS.to_owned(), address(zone).await.to_string());
    }
    variables
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}

/// The machine's address on the way to the zone.
async fn address(zone: &Url) -> IpAddr {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_RETRY)
        .with_max_delay(LAST_RETRY)
        .without_max_times();
    let mut told = false;
    let found = (|| towards(zone)).retry(pauses).notify(|error, _| {
        if !std::mem::replace(&mut told, true) {
            tracing::info!(%zone, %error, "no way to the zone yet, so no address; looking again");
        }
    });
    // It tries until it has one.
    found.await.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

async fn towards(zone: &Url) -> io::Result<IpAddr> {
    let host = zone.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = zone.port_or_known_default().unwrap_or_default();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for there in lookup_host((host, port)).await? {
        match from(there).await {
            Ok(address) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The kernel says from where it would send; nothing is sent.
async fn from(there: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match there {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(there).await?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn filled(text: &str, given: &[(&str, &str)]) -> String {
        let given = given.iter();
        let given = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let zone = Url::parse("https://127.0.0.1:5678").unwrap();
        let variables = variables(text, &given.collect(), &zone).await;
        template::fill(text, &variables).unwrap()
    }

    #[tokio::test]
    async fn the_machine_fills_what_is_not_given() {
        let text = "{{ address }}";
        assert_eq!(filled(text, &[]).await, "127.0.0.1");
        assert_eq!(filled(text, &[("address", "10.0.0.1")]).await, "10.0.0.1");
        let name = filled("{{ hostname }}", &[]).await;
        assert!(
            !name.is_empty() && !name.contains(char::is_whitespace),
            "{name:?}"
        );
        assert_eq!(filled("{{ hostname }}", &[("hostname", "h")]).await, "h");
        assert_eq!(filled("a: b", &[]).await, "a: b");
    }
}
