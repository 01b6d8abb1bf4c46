//! TLS handshakes, full and resumed, with one instance of a gateway and with several on one port.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use portolan_sandbox::{Gateway, Sandbox, until};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, StreamOwned,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::{Value, json};

use super::site::Site;
use crate::{
    figures::Grid,
    process::{Cpu, children},
    routes::HOST,
};

/// Clients, each with one connection at a time.
const CLIENTS: usize = 8;
/// Longest time until all instances take connections.
const LIMIT: Duration = Duration::from_secs(30);

/// Measures one and three instances.
pub(crate) async fn run(sandbox: &Sandbox, time: Duration) -> anyhow::Result<Grid> {
    let mut grid = Grid::new(&[
        "TLS 1.3, ECDSA on P-256",
        "full handshakes/s",
        "CPU of the gateway for one, µs",
        "resumed handshakes/s",
        "CPU of the gateway for one, µs",
        "share resumed, %",
    ]);
    let site = Site::start(sandbox, "tls", gateway).await?;
    let certificate =
        json!({ "type": "Secret", "mesh": "default", "name": "shop", "data": secret(sandbox)? });
    let path = "/meshes/default/secrets/shop";
    site.global.http.put(path, &certificate).await?;
    site.fill(1).await?;
    let mut instances: Vec<Gateway> = Vec::new();
    for count in [1, 3] {
        while instances.len() < count {
            let name = format!("tls-{}", instances.len());
            let mut gateway = site.instance(&name).await?;
            gateway.listening(site.listener.port()).await?;
            instances.push(gateway);
        }
        let listener = site.listener;
        until("handshakes", LIMIT, async || {
            let once = load(listener, Duration::from_millis(1), false);
            once.await.ok().map(|_| ())
        })
        .await?;
        let pids = pids(&instances)?;
        let mut row = vec![format!("{count} instances on one port")];
        let mut share = String::new();
        for resume in [false, true] {
            let before = Cpu::of_all(&pids)?;
            let (made, resumed, elapsed) = load(listener, time, resume).await?;
            let cpu = Cpu::of_all(&pids)?.since(&before).div_f64(f64::from(made));
            row.push(format!("{:.0}", f64::from(made) / elapsed.as_secs_f64()));
            row.push(format!("{:.0}", cpu.as_secs_f64() * 1e6));
            share = format!("{:.2}", f64::from(resumed) * 100.0 / f64::from(made));
        }
        row.push(share);
        grid.row(row);
    }
    for gateway in &mut instances {
        gateway.process.stop().await?;
    }
    Ok(grid)
}

fn gateway(port: u16) -> Value {
    let tls = json!({ "mode": "TERMINATE", "certificates": [{ "secret": "shop" }] });
    json!({
        "type": "MeshGateway",
        "mesh": "default",
        "name": "edge",
        "selectors": [{ "match": { "kuma.io/service": "edge-gateway" } }],
        "conf": { "listeners": [
            { "port": port, "protocol": "HTTPS", "hostname": HOST, "tls": tls },
        ] },
    })
}

/// A certificate and its key as a Secret holds them, from openssl.
fn secret(sandbox: &Sandbox) -> anyhow::Result<String> {
    let folder = sandbox.folder();
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
             -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -keyout key.pem -out cert.pem \
             && cat cert.pem key.pem | base64 -w0"
        ))
        .current_dir(folder)
        .output()?;
    ensure!(output.status.success(), "openssl: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The Envoys of instances.
fn pids(instances: &[Gateway]) -> anyhow::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for gateway in instances {
        let pid = gateway.process.pid().context("an instance has ended")?;
        pids.extend(children(pid)?);
    }
    ensure!(pids.len() == instances.len(), "not one Envoy an instance");
    Ok(pids)
}

/// Handshakes, those of them that resumed a session, and the time that they took.
async fn load(
    listener: SocketAddr,
    time: Duration,
    resume: bool,
) -> anyhow::Result<(u32, u32, Duration)> {
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || client(listener, start + time, resume)))
        .collect();
    let gather = tokio::task::spawn_blocking(move || {
        let (mut made, mut resumed) = (0, 0);
        for client in clients {
            let Ok(counts) = client.join() else {
                bail!("a client panicked");
            };
            let (more, of_them) = counts?;
            made += more;
            resumed += of_them;
        }
        Ok((made, resumed, start.elapsed()))
    });
    gather.await?
}

/// Makes one connection after the other. The first of those that resume has nothing to resume, and is not counted.
fn client(listener: SocketAddr, end: Instant, resume: bool) -> anyhow::Result<(u32, u32)> {
    let config = Arc::new(config(resume)?);
    if resume {
        connect(listener, &config)?;
    }
    let (mut made, mut resumed) = (0, 0);
    while made == 0 || Instant::now() < end {
        made += 1;
        if connect(listener, &config)? == Some(HandshakeKind::Resumed) {
            resumed += 1;
        }
    }
    Ok((made, resumed))
}

/// A request that no route is for: Envoy answers it by itself, after the tickets.
fn connect(
    listener: SocketAddr,
    config: &Arc<ClientConfig>,
) -> anyhow::Result<Option<HandshakeKind>> {
    let name = ServerName::try_from(HOST)?;
    let connection = ClientConnection::new(Arc::clone(config), name)?;
    let stream = TcpStream::connect(listener)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut stream = StreamOwned::new(connection, stream);
    let request = format!("GET /nothing HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(
        &answer == b"HTTP/1.1 404",
        "{}",
        String::from_utf8_lossy(&answer)
    );
    Ok(stream.conn.handshake_kind())
}

fn config(resume: bool) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Anybody(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

/// Believes every certificate, but checks signatures: the client's work is not what is measured.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
