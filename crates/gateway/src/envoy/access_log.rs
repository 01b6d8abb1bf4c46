//! Access logs: a line for each request or connection, into a file or the data plane's own pipe.

use std::net::IpAddr;

use envoy_types::pb::envoy::{
    config::{
        accesslog::v3::{AccessLog, access_log},
        core::v3::{
            DataSource, SubstitutionFormatString, data_source::Specifier,
            substitution_format_string::Format,
        },
    },
    extensions::access_loggers::file::v3::{FileAccessLog, file_access_log},
};

use super::any;
use crate::plan::proxy::{LogBackend, LogTarget};

/// What is written of a request if the backend says nothing else.
const OF_REQUESTS: &str = concat!(
    "[%START_TIME%] %KUMA_MESH% \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" ",
    "\"%KUMA_SOURCE_SERVICE%\" \"%KUMA_DESTINATION_SERVICE%\" \"%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%\" ",
    "\"%UPSTREAM_HOST%\"",
);
/// What is written of a connection if the backend says nothing else.
const OF_CONNECTIONS: &str = concat!(
    "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% ",
    "%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) ",
    "took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes",
);

/// What is logged of a listener, and where.
pub(crate) struct Logged<'a> {
    pub(crate) backend: &'a LogBackend,
    /// Where the data plane takes lines that go on to a collector; nothing if it takes none.
    pub(crate) pipe: Option<&'a str>,
    pub(crate) mesh: &'a str,
    pub(crate) zone: &'a str,
    /// The proxy's service.
    pub(crate) service: &'a str,
    /// The proxy's address.
    pub(crate) address: &'a str,
    /// The service that is reached; `*` where routes decide that, one by one.
    pub(crate) destination: &'a str,
    /// `INBOUND` or `OUTBOUND`.
    pub(crate) direction: &'static str,
}

impl Logged<'_> {
    /// Of requests.
    pub(super) fn requests(&self) -> Option<AccessLog> {
        self.log(OF_REQUESTS)
    }

    /// Of connections.
    pub(super) fn connections(&self) -> Option<AccessLog> {
        self.log(OF_CONNECTIONS)
    }

    fn log(&self, usual: &str) -> Option<AccessLog> {
        let line = self.fill(self.backend.format.as_deref().unwrap_or(usual));
        match &self.backend.target {
            LogTarget::File(path) => Some(file(path, line + "\n")),
            LogTarget::Tcp(collector) => {
                // The data plane reads lines, and each says where it goes.
                let lines = line.lines().filter(|line| !line.is_empty());
                let lines: String = lines.map(|line| format!("{collector};{line}\n")).collect();
                Some(file(self.pipe?, lines))
            }
        }
    }

    fn fill(&self, format: &str) -> String {
        let with_port = match self.address.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:0"),
            _ => format!("{}:0", self.address),
        };
        // Where a value has a percent sign, Envoy must not take it for a command.
        let filled = [
            ("%KUMA_SOURCE_ADDRESS%", with_port.as_str()),
            ("%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%", self.address),
            ("%KUMA_SOURCE_SERVICE%", self.service),
            ("%KUMA_DESTINATION_SERVICE%", self.destination),
            ("%KUMA_MESH%", self.mesh),
            ("%KUMA_TRAFFIC_DIRECTION%", self.direction),
            ("%KUMA_ZONE%", self.zone),
            // Only Dataplanes of workloads have one.
            ("%KUMA_WORKLOAD%", ""),
        ];
        filled
            .iter()
            .fold(format.to_owned(), |format, (variable, value)| {
                format.replace(variable, &value.replace('%', "%%"))
            })
    }
}

fn file(path: &str, format: String) -> AccessLog {
    let log = FileAccessLog {
        path: path.to_owned(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(
            SubstitutionFormatString {
                format: Some(Format::TextFormatSource(DataSource {
                    specifier: Some(Specifier::InlineString(format)),
                    ..DataSource::default()
                })),
                ..SubstitutionFormatString::default()
            },
        )),
    };
    AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(access_log::ConfigType::TypedConfig(any(
            "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            &log,
        ))),
        ..AccessLog::default()
    }
}
