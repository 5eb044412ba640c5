//! TLS to a real server, with a certificate made for tests and trusted by nobody else.

use std::env;
use std::process::Command;

use store_redis::{Connection, SharedOptions, Status};

#[path = "../src/testing.rs"]
#[expect(dead_code, reason = "the unit tests use the rest")]
mod testing;

use testing::Server;

/// Of the client's tests: for 127.0.0.1, from 2020 to 2120.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plivo-client/tests/it/tls");
/// Where the inner test finds its server.
const URL: &str = "SENDGATE_TEST_SHARED";

#[tokio::test]
async fn a_server_is_used_where_its_certificate_is_trusted_and_not_where_it_is_not() {
    let [certificate, key] = ["certificate", "key"].map(|of| format!("{CERTIFICATES}/{of}.pem"));
    let server = Server::start_with(&[
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
        testing::TLS,
    ]);
    let connection = Connection::open(server.options()).unwrap();
    let refused = |status: &Status| matches!(status, Status::Down { reason, .. } if reason.contains("UnknownIssuer"));
    connection.until(refused).await;

    // Whom a process trusts is in its environment, which must not change while it runs.
    let inner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "inner::a_trusted_server_comes_up", "--ignored"])
        .env("SSL_CERT_FILE", &certificate)
        .env_remove("SSL_CERT_DIR")
        .env(URL, server.url())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inner.stdout);
    assert!(inner.status.success() && said.contains("1 passed"), "{said}");
}

mod inner {
    use super::*;

    #[tokio::test]
    #[ignore = "run by the other test, in an environment of its own"]
    async fn a_trusted_server_comes_up() {
        let url = env::var(URL).expect("the other test says where the server is");
        let connection = Connection::open(SharedOptions::new(url.parse().unwrap())).unwrap();
        connection.up().await;
    }
}
