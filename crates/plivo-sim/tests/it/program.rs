//! The program `plivo-sim`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::PATIENCE;
use crate::wire::{MESSAGES, SMS, exchange};

#[tokio::test]
async fn the_program_says_where_it_listens_and_serves_there() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plivo-sim"))
        .args(["--listen", "127.0.0.1:0", "--auth-id", "MAXXXXXXXXXXXXXXXXXX"])
        .args(["--auth-token", "secret", "--callbacks", "manual", "--control", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let address =
        line.strip_prefix("plivo-sim listening on http://").unwrap_or_else(|| panic!("{line}"));

    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let control = line
        .strip_prefix("plivo-sim takes controls on http://")
        .unwrap_or_else(|| panic!("{line}"));

    // `MAXXXXXXXXXXXXXXXXXX:secret`
    let headers = "authorization: Basic TUFYWFhYWFhYWFhYWFhYWFhYWFg6c2VjcmV0\r\n";
    let answer =
        exchange(address.parse().unwrap(), "POST", MESSAGES, headers, SMS.as_bytes()).await;

    assert_eq!(answer.status, 202, "{}", answer.body);
    let count = exchange(control.parse().unwrap(), "GET", "/_sim/sends/count", "", b"").await;
    assert_eq!(count.json()["sends"], 1);
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_plivo-sim"))
        .args(["--listen", &address])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert!(!status.success());
    assert!(said.contains(&address), "{said}");
}
