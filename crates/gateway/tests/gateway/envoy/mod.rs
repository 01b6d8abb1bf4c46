//! What a real Envoy makes of it. These tests need the path of one in `ENVOY_BIN` and pass without.

mod actions;
mod backends;
mod bootstrap;
mod client;
mod explained;
mod explained_tls;
mod external;
mod external_tls;
mod fuzz;
mod grpc;
mod http;
mod https;
mod matches;
mod observed;
mod policies;
mod process;
mod routes;
mod tcp;
mod tls;
mod two_certificates;
mod validate;
