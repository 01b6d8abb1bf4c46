//! What an Envoy writes of requests and connections.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use portolan_gateway::plan::proxy::format;
use tempfile::TempDir;

use super::{
    backends,
    process::{Envoy, PATIENCE, free_port},
    tcp::{gateway, member, route},
};
use crate::support::view;

const ROUTE: &str = "---
type: MeshGatewayRoute
name: http
selectors: [{match: {kuma.io/service: edge}}]
conf: {http: {rules: [{
  matches: [{path: {match: PREFIX, value: /}}],
  backends: [{destination: {kuma.io/service: api}}]
}]}}
";

fn mesh(conf: &str) -> String {
    format!("---\ntype: Mesh\nname: default\n{conf}\n")
}

/// The file's lines, once there are so many.
fn lines(file: &Path, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(started.elapsed() < PATIENCE, "only {lines:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

const EVERYWHERE: &str = "---
type: TrafficLog
name: all
sources: [{match: {kuma.io/service: '*'}}]
destinations: [{match: {kuma.io/service: '*'}}]
";

#[test]
fn a_request_and_a_connection_are_a_line_each() {
    let (http, tcp) = (free_port(), free_port());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.log");
    let format = "%KUMA_MESH% %KUMA_SOURCE_SERVICE% %KUMA_SOURCE_ADDRESS% %KUMA_DESTINATION_SERVICE% \
                  %REQ(:PATH)% %RESPONSE_CODE% %BYTES_SENT%";
    let logging = format!(
        "logging: {{defaultBackend: file, backends: [{{name: file, type: file, format: '{format}', \
         conf: {{path: '{}'}}}}]}}",
        file.display()
    );
    let yaml = gateway(&format!(
        "{{port: {http}, protocol: HTTP}}, {{port: {tcp}, protocol: TCP}}"
    )) + ROUTE
        + &route(
            "tcp",
            "kuma.io/service: edge",
            "{destination: {kuma.io/service: word}}",
        )
        + &member("api", backends::echo_http())
        + &member("word", backends::says("hello"))
        + &mesh(&logging)
        + EVERYWHERE;
    let Some(envoy) = Envoy::start(&mut view(&yaml), http) else {
        return;
    };
    assert_eq!(
        envoy.client().send("GET", "host.test", "/path", &[]).status,
        200
    );
    // The look whether Envoy listens was no request.
    let line = lines(&file, 1).remove(0);
    assert!(
        line.starts_with("default edge 127.0.0.1:0 * /path 200 "),
        "{line}"
    );

    let mut word = String::new();
    let mut stream = TcpStream::connect(("127.0.0.1", tcp)).unwrap();
    stream.read_to_string(&mut word).unwrap();
    drop(stream);
    assert_eq!(lines(&file, 2)[1], "default edge 127.0.0.1:0 * - 0 5");
}

#[test]
fn lines_for_a_collector_name_it_in_the_pipe() {
    let port = free_port();
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let logging = "logging: {defaultBackend: tcp, backends: [{name: tcp, type: tcp, \
                   format: '%REQ(:METHOD)% %RESPONSE_CODE%', conf: {address: '127.0.0.1:5000'}}]}";
    let yaml = gateway(&format!("{{port: {port}, protocol: HTTP}}"))
        + ROUTE
        + &member("api", backends::echo_http())
        + &mesh(logging)
        + EVERYWHERE;
    // Who writes waits for who reads, and the other way around.
    let read = thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut line = String::new();
            BufReader::new(fs::File::open(pipe).unwrap())
                .read_line(&mut line)
                .unwrap();
            line
        }
    });
    let Some(envoy) = Envoy::start_with(&mut view(&yaml), port, pipe.to_str()) else {
        return;
    };
    assert_eq!(
        envoy.client().send("GET", "host.test", "/", &[]).status,
        200
    );
    assert_eq!(read.join().unwrap(), "127.0.0.1:5000;GET 200\n");
}

#[test]
fn every_command_of_formats_is_one_of_envoys() {
    let port = free_port();
    let mut all = String::new();
    for name in format::PLAIN {
        write!(all, "%{name}% ").unwrap();
    }
    for (name, arguments) in format::WITH_ARGUMENTS {
        let cut = if format::CUT.contains(&name) {
            ":9"
        } else {
            ""
        };
        write!(all, "%{name}({arguments}){cut}% ").unwrap();
    }
    for (name, arguments) in format::WITH_OR_WITHOUT {
        write!(all, "%{name}% %{name}({arguments})% ").unwrap();
    }
    let logging = format!(
        "logging: {{defaultBackend: file, backends: [{{name: file, type: file, format: '{all}', \
         conf: {{path: /dev/null}}}}]}}"
    );
    let yaml = gateway(&format!("{{port: {port}, protocol: HTTP}}"))
        + ROUTE
        + &member("api", backends::echo_http())
        + &mesh(&logging)
        + EVERYWHERE;
    let mut view = view(&yaml);
    let compiled = view.compile(&crate::support::dataplane("gateway")).unwrap();
    assert!(compiled.faults.is_empty(), "{:?}", compiled.faults);
    if let Some(envoy) = Envoy::start(&mut view, port) {
        assert_eq!(
            envoy.client().send("GET", "host.test", "/", &[]).status,
            200
        );
    }
}

#[test]
fn a_request_reaches_the_collector_of_traces() {
    let port = free_port();
    let (collector, posts) = backends::records_bodies();
    let tracing = format!(
        "tracing: {{defaultBackend: z, backends: [{{name: z, type: zipkin, sampling: 100, \
         conf: {{url: 'http://127.0.0.1:{collector}/api/v2/spans', traceId128bit: true}}}}]}}"
    );
    let yaml = gateway(&format!("{{port: {port}, protocol: HTTP}}"))
        + ROUTE
        + &member("api", backends::echo_http())
        + &mesh(&tracing)
        + "---
type: TrafficTrace
name: all
selectors: [{match: {kuma.io/service: '*'}}]
";
    let Some(envoy) = Envoy::start(&mut view(&yaml), port) else {
        return;
    };
    assert_eq!(
        envoy
            .client()
            .send("GET", "host.test", "/traced", &[])
            .status,
        200
    );
    let post = posts.recv_timeout(PATIENCE).unwrap();
    assert!(
        post.starts_with("POST /api/v2/spans HTTP/1.1\r\n"),
        "{post}"
    );
    assert!(post.contains("/traced"), "{post}");
}

#[test]
fn what_a_proxy_template_adds_is_seen() {
    let port = free_port();
    // So many routes that a list of them would not do.
    let rules: String = (0..200)
        .map(|number| {
            format!(
                "{{matches: [{{path: {{match: PREFIX, value: /r{number}}}}}], \
                 backends: [{{destination: {{kuma.io/service: api}}}}]}},"
            )
        })
        .collect();
    let yaml = gateway(&format!("{{port: {port}, protocol: HTTP}}"))
        + &format!(
            "---
type: MeshGatewayRoute
name: many
selectors: [{{match: {{kuma.io/service: edge}}}}]
conf: {{http: {{rules: [{rules}]}}}}
"
        )
        + &member("api", backends::echo_http());
    let template = |routes: &str| {
        format!(
            "---
type: ProxyTemplate
name: all
conf:
  modifications:
  - httpFilter:
      operation: addBefore
      match: {{name: envoy.filters.http.router}}
      value: |
        name: envoy.filters.http.lua
        typedConfig:
          '@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          defaultSourceCode: {{inlineString: \"function envoy_on_response(h) h:headers():add('x-lua', '1') end\"}}
  - virtualHost:
      operation: patch
      value: |
        responseHeadersToAdd: [{{header: {{key: x-host, value: patched}}}}]
        {routes}
"
        )
    };
    for (routes, status) in [
        ("", 404),
        (
            "routes: [{match: {path: /own}, directResponse: {status: 418}}]",
            418,
        ),
    ] {
        let Some(envoy) = Envoy::start(&mut view(&(yaml.clone() + &template(routes))), port) else {
            return;
        };
        let answer = envoy.client().send("GET", "host.test", "/r7/x", &[]);
        assert_eq!((answer.status, answer.header("x-lua")), (200, Some("1")));
        assert_eq!(answer.header("x-host"), Some("patched"));
        assert_eq!(
            envoy.client().send("GET", "host.test", "/own", &[]).status,
            status
        );
    }
}
