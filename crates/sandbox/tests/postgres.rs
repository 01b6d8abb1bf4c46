//! The Postgres that tests and demos start by themselves.

#![allow(clippy::unwrap_used)]

use portolan_sandbox::postgres::Postgres;

#[tokio::test]
async fn starts_restarts_and_stops() {
    let mut postgres = Postgres::start().await.unwrap();
    let address = postgres
        .url()
        .rsplit_once('@')
        .unwrap()
        .1
        .replace("/postgres", "");
    postgres.restart().await.unwrap();
    assert!(std::net::TcpStream::connect(&address).is_ok());
    postgres.stop().await.unwrap();
    assert!(std::net::TcpStream::connect(&address).is_err());
}
