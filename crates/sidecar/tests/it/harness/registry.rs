//! A real registry: Debian's `docker-registry`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::Folder;

const PROGRAM: &str = "docker-registry";
/// Most ports that are tried: another program may take one between its choice and its use.
const TRIES: usize = 20;
/// Who may read and write a private registry.
pub(crate) const USER: &str = "reader";
pub(crate) const PASSWORD: &str = "reader-password";
/// The same as registries are told of it, hashed with bcrypt.
const HTPASSWD: &str = "reader:$2b$04$abcdefghijklmnopqrstuuJrYgcKAXtZL5K4o8WC.BGozQtX36Hoi\n";

/// A registry on a free port of 127.0.0.1, without TLS, killed when dropped. What it holds is in a folder of its own.
pub(crate) struct DockerRegistry {
    process: Child,
    port: u16,
    folder: Folder,
}

impl DockerRegistry {
    /// One that takes whatever anybody brings.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// One that knows [`USER`] alone.
    pub(crate) fn start_private() -> Self {
        Self::start_with("auth: { htpasswd: { realm: tests, path: htpasswd } }\n")
    }

    fn start_with(more: &str) -> Self {
        let folder = Folder::new();
        folder.write("htpasswd", HTPASSWD);
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = listener.local_addr().expect("a bound address").port();
            drop(listener);
            let config = format!(
                "version: 0.1\nlog: {{ accesslog: {{ disabled: true }} }}\n\
                 storage: {{ filesystem: {{ rootdirectory: data }} }}\nhttp: {{ addr: \"127.0.0.1:{port}\" }}\n{more}"
            );
            folder.write("config.yml", config);
            if let Some(process) = launched(&folder) {
                return Self { process, port, folder };
            }
        }
        panic!("the registry found none of {TRIES} ports free");
    }

    /// Its host, as references have it.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `oci://HOST/` and `rest`.
    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host())
    }

    /// Kills it; what it holds stays.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the registry's process can be killed");
        self.process.wait().expect("the registry's process ends");
    }

    /// After [`DockerRegistry::kill`]: on the same port, with what it held.
    pub(crate) fn start_again(&mut self) {
        self.process =
            launched(&self.folder).expect("the port that the registry had is still free");
    }

    /// Has it hold other bytes under the digest `sha256:HEX` than that says.
    pub(crate) fn tamper_with(&self, digest: &str) {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        let blobs = PathBuf::from("data/docker/registry/v2/blobs/sha256");
        let path = self.folder.path().join(blobs).join(&hex[..2]).join(hex).join("data");
        let mut bytes = fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&path, bytes).expect("a file");
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // The test may have killed it.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The process, once it takes connections; none where the port was taken.
fn launched(folder: &Folder) -> Option<Child> {
    let mut process = Command::new(PROGRAM)
        .args(["serve", "config.yml"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| {
            panic!(
                "these tests need `{PROGRAM}`: {err}; run `sudo apt-get install docker-registry`"
            )
        });
    let output = process.stderr.take().expect("its output is piped");
    let (mut lines, mut said) = (BufReader::new(output).lines(), String::new());
    while let Some(Ok(line)) = lines.next() {
        if line.contains("listening on") {
            // What else it says must not fill the pipe.
            thread::spawn(move || lines.for_each(drop));
            return Some(process);
        }
        said.push_str(&line);
        said.push('\n');
    }
    process.wait().expect("it has ended");
    assert!(said.contains("already in use"), "the registry did not start:\n{said}");
    None
}
