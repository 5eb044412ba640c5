//! A real server for tests: Redis or Valkey, whichever is on the `PATH`.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Connection, SharedOptions};

const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// As the last of the options: the port is for TLS alone.
pub(crate) const TLS: &str = "--tls-port";
/// Most ports that are tried: another program may take one between its choice and its use.
const TRIES: usize = 20;

/// A server on a free port of 127.0.0.1, in memory alone, killed when dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    extra: Vec<String>,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further options, such as `--requirepass secret`.
    pub(crate) fn start_with(extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let extra: Vec<String> = extra.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..TRIES {
            let port = free_port();
            if let Some(process) = launched(port, &extra, &folder) {
                return Self { process, port, extra, folder };
            }
        }
        panic!("the server found none of {TRIES} ports free");
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the server's process can be killed");
        self.process.wait().expect("the server's process ends");
    }

    /// After [`Server::kill`]: the same port, with nothing left of what it knew.
    pub(crate) fn start_again(&mut self) {
        let again = launched(self.port, &self.extra, &self.folder);
        self.process = again.expect("the port that the server had is still free");
    }

    pub(crate) fn url(&self) -> String {
        let scheme =
            if self.extra.last().is_some_and(|word| word == TLS) { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn options(&self) -> SharedOptions {
        let url = self.url().parse().expect("an address");
        // Above what a busy machine takes; tests of slowness set their own.
        SharedOptions { timeout: Duration::from_secs(20), ..SharedOptions::new(url) }
    }

    /// A connection that is up.
    pub(crate) async fn connection(&self) -> Connection {
        self.connection_with(|_| {}).await
    }

    pub(crate) async fn connection_with(
        &self,
        change: impl FnOnce(&mut SharedOptions),
    ) -> Connection {
        let mut options = self.options();
        change(&mut options);
        let connection = Connection::open(options).expect("options in bounds");
        connection.up().await;
        connection
    }

    /// What the server answers to a command, asked beside all connections of the crate.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("an address");
        let mut connection =
            client.get_multiplexed_async_connection().await.expect("the server is up");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.expect("the server does it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed by the test.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// The process, once it takes connections; none where the port was taken.
fn launched(port: u16, extra: &[String], folder: &TempDir) -> Option<Child> {
    let mut process = spawned(port, extra, folder);
    let output = process.stdout.take().expect("its output is piped");
    let (mut lines, mut said) = (BufReader::new(output).lines(), String::new());
    while let Some(Ok(line)) = lines.next() {
        if line.contains("Ready to accept connections") {
            // What else it says must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Some(process);
        }
        said.push_str(&line);
        said.push('\n');
    }
    process.wait().expect("it has ended");
    assert!(said.contains("Address already in use"), "the server did not start:\n{said}");
    None
}

fn spawned(port: u16, extra: &[String], folder: &TempDir) -> Child {
    let port = port.to_string();
    let ports = if extra.last().is_some_and(|word| word == TLS) {
        vec![&*port, "--port", "0"]
    } else {
        vec!["--port", &port]
    };
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--daemonize", "no"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .args(extra)
            .args(&ports)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Ok(process) = command.spawn() {
            return process;
        }
    }
    panic!(
        "these tests need a Redis or Valkey server; install one, such as with `sudo apt-get install redis-server`"
    );
}
