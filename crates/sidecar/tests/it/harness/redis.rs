//! A real server for what replicas share: Redis or Valkey, whichever is on the `PATH`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::{io, thread};

use super::Folder;

const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Most ports that are tried: another program may take one between its choice and its use.
const TRIES: usize = 20;

/// A server on a free port of 127.0.0.1, in memory alone, killed when dropped.
pub(crate) struct Redis {
    process: Child,
    pub(crate) port: u16,
    options: Vec<&'static str>,
    folder: Folder,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further options, such as `--requirepass` and a password.
    ///
    /// # Panics
    ///
    /// Where no server is installed, or none starts.
    pub(crate) fn start_with(options: &[&'static str]) -> Self {
        let (folder, options) = (Folder::new(), options.to_vec());
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = listener.local_addr().expect("a bound address").port();
            drop(listener);
            if let Some(process) = launched(port, &options, &folder) {
                return Self { process, port, options, folder };
            }
        }
        panic!("the server found none of {TRIES} ports free");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it answers to `commands`, one to a line, as its protocol has it.
    ///
    /// # Panics
    ///
    /// Where it does not answer.
    pub(crate) fn ask(&self, commands: &str) -> String {
        let asked = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            write!(stream, "{}\r\nQUIT\r\n", commands.replace('\n', "\r\n"))?;
            io::read_to_string(stream)
        };
        asked().unwrap_or_else(|err| panic!("the Redis does not answer `{commands}`: {err}"))
    }

    /// Kills it; everything that it knew is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the server's process can be killed");
        self.process.wait().expect("the server's process ends");
    }

    /// After [`Redis::kill`]: on the same port.
    pub(crate) fn start_again(&mut self) {
        let again = launched(self.port, &self.options, &self.folder);
        self.process = again.expect("the port that the server had is still free");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The test may have killed it.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The process, once it takes connections; none where the port was taken.
fn launched(port: u16, options: &[&str], folder: &Folder) -> Option<Child> {
    let mut process = spawned(port, options, folder);
    let output = process.stdout.take().expect("its output is piped");
    let (mut lines, mut said) = (BufReader::new(output).lines(), String::new());
    while let Some(Ok(line)) = lines.next() {
        if line.contains("Ready to accept connections") {
            // What else it says must not fill the pipe.
            thread::spawn(move || lines.for_each(drop));
            return Some(process);
        }
        said.push_str(&line);
        said.push('\n');
    }
    process.wait().expect("it has ended");
    assert!(said.contains("Address already in use"), "the server did not start:\n{said}");
    None
}

fn spawned(port: u16, options: &[&str], folder: &Folder) -> Child {
    let port = port.to_string();
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--port", &port, "--daemonize", "no"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .args(options)
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
