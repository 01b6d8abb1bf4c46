//! An nginx of its own, as a gateway that is not ours.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{Process, Sandbox, SandboxError, free_port};

/// Where Debian and Ubuntu put it, which is not on everybody's PATH.
const DEBIAN: &str = "/usr/sbin/nginx";

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    /// The process.
    pub process: Process,
    /// Where it takes requests.
    pub address: SocketAddr,
}

impl Sandbox {
    /// Starts an nginx that hands all requests on to `upstream`, and waits until it takes connections.
    pub async fn nginx(&self, name: &str, upstream: SocketAddr) -> Result<Nginx, SandboxError> {
        let binary = binary().ok_or(SandboxError::NoNginx)?;
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let config = folder.join("nginx.conf");
        fs::write(&config, configuration(&folder, address, upstream))?;
        let [prefix, config] = [folder, config].map(|path| path.display().to_string());
        let args = ["-p", &prefix, "-c", &config, "-e", "stderr"];
        let log = self.folder().join(format!("{name}.log"));
        let mut process = Process::start(name, &binary, args, &[], log)?;
        let what = format!("{name} taking connections on {address}");
        let connects = async || tokio::net::TcpStream::connect(address).await.ok();
        process.ready(&what, connects).await?;
        Ok(Nginx { process, address })
    }
}

/// One process, so that ending it ends all of it; every file in the folder.
fn configuration(folder: &Path, listen: SocketAddr, upstream: SocketAddr) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|of| format!("{of}_temp_path {}/{of};", folder.display()));
    format!(
        "daemon off;
master_process off;
pid {}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  {}
  server {{
    listen {listen};
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
",
        folder.display(),
        folders.join("\n  ")
    )
}

fn binary() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("nginx"));
    on_path
        .chain([DEBIAN.into()])
        .find(|binary| binary.is_file())
}
