//! The process.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::log::field;
use super::{Answer, Folder, Log, PATIENCE, Request, Setup, TOKEN, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sendgate");

/// A running `sendgate`. Killed when it is dropped; its log is printed when the test fails.
#[must_use = "a sidecar is killed when it is dropped"]
pub(crate) struct Sidecar {
    pub(crate) apps: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) log: Log,
    pub(crate) folder: Arc<Folder>,
    to_apps: reqwest::Client,
    to_admin: reqwest::Client,
    child: Child,
}

/// A program that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) log: Log,
}

impl Sidecar {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(setup: Setup) -> Self {
        Self::start_in(Folder::new(), setup).await
    }

    /// The same with files that the test, or a sidecar before it, has put into `folder`.
    pub(crate) async fn start_in(folder: impl Into<Arc<Folder>>, setup: Setup) -> Self {
        let sidecar = Self::start_unready(folder, setup).await;
        sidecar.wait_until_ready().await;
        sidecar
    }

    /// The same, only until it listens.
    pub(crate) async fn start_unready(folder: impl Into<Arc<Folder>>, setup: Setup) -> Self {
        let (toml, flags) = (setup.to_toml(), setup.flags);
        Self::launch(folder.into(), &toml, &flags, &setup.environment).await
    }

    /// One whose file is written by hand, in a folder that may hold others.
    pub(crate) async fn start_with(
        folder: impl Into<Arc<Folder>>,
        toml: &str,
        environment: &[(String, String)],
    ) -> Self {
        let sidecar = Self::launch(folder.into(), toml, &[], environment).await;
        sidecar.wait_until_ready().await;
        sidecar
    }

    async fn launch(
        folder: Arc<Folder>,
        toml: &str,
        flags: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        folder.write("sidecar.toml", toml);
        let (child, log) = spawn("run", flags, folder.path(), environment);
        Self::listening(folder, child, log).await
    }

    /// One that is given `socket` to listen on, as systemd does it, and is ready.
    pub(crate) async fn start_with_socket(setup: Setup, socket: OwnedFd) -> Self {
        let folder = Arc::new(Folder::new());
        folder.write("sidecar.toml", setup.to_toml());
        let mut shell = Command::new("/bin/sh");
        let script = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
        shell.args(["-c", script, PROGRAM, "run", "--config", "sidecar.toml"]);
        let (child, log) = launched(shell, socket.into(), folder.path(), &setup.environment);
        let sidecar = Self::listening(folder, child, log).await;
        sidecar.wait_until_ready().await;
        sidecar
    }

    /// One that `program` starts, given its command line, as another network's `nsenter` does it; it is ready.
    pub(crate) async fn start_by(
        mut program: Command,
        folder: impl Into<Arc<Folder>>,
        setup: &Setup,
    ) -> Self {
        let folder = folder.into();
        folder.write("sidecar.toml", setup.to_toml());
        program.args([PROGRAM, "run", "--config", "sidecar.toml"]);
        let (child, log) = launched(program, Stdio::null(), folder.path(), &setup.environment);
        let sidecar = Self::listening(folder, child, log).await;
        sidecar.wait_until_ready().await;
        sidecar
    }

    async fn listening(folder: Arc<Folder>, child: Child, log: Log) -> Self {
        let (apps, to_apps) = listening(&log, "apps", &folder).await;
        let (admin, to_admin) = listening(&log, "admin", &folder).await;
        Self { apps, admin, log, folder, to_apps, to_admin, child }
    }

    pub(crate) async fn wait_until_ready(&self) {
        // The listener that says why not hands over to the real one, and its kept connections end with it.
        let probe = async || {
            let answer = self.ask_admin("GET", "/readyz").outcome().await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        };
        eventually("the sidecar is ready", probe).await;
    }

    /// `/readyz`
    pub(crate) async fn ready(&self) -> Answer {
        self.admin("/readyz").await
    }

    /// `GET` of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        self.ask_admin("GET", path).answer().await
    }

    /// `POST` of the admin listener by the operator whose token this is.
    pub(crate) async fn operate(&self, path: &str, token: &str) -> Answer {
        self.ask_admin("POST", path).bearer(token).answer().await
    }

    /// A request to the apps' door, as the app `demo`.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        ask(&self.to_apps, self.apps, method, path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// `GET`, as the app `demo`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).answer().await
    }

    /// `POST /v1/messages`, as the app `demo`.
    pub(crate) async fn send(&self, body: &Value) -> Answer {
        self.post("/v1/messages").json(body).answer().await
    }

    /// `POST /v1/messages` that does not wait for Plivo, as the app `demo`; the id of the message, which is ours now.
    pub(crate) async fn queue(&self, body: &Value) -> String {
        let request = self.post("/v1/messages").header("prefer", "respond-async").json(body);
        request.answer().await.expect(202)["id"].as_str().expect("an id").to_owned()
    }

    /// The record of a message, as soon as it has this status.
    pub(crate) async fn in_status(&self, id: &str, status: &str) -> Value {
        let path = format!("/v1/messages/{id}");
        let probe = async || {
            Some(self.get(&path).await.expect(200)).filter(|record| record["status"] == status)
        };
        eventually(&format!("the message is {status}"), probe).await
    }

    /// The record of a message, as soon as `wanted` holds of it.
    pub(crate) async fn record(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/messages/{id}");
        let probe = async || Some(self.get(&path).await.expect(200)).filter(&wanted);
        eventually("the message's record is as wanted", probe).await
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id();
        // The standard library knows no signals, and `unsafe` is forbidden.
        let killed =
            std::process::Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(killed.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    /// SIGKILL, without a panic before it. What it leaves behind is in the folder.
    pub(crate) async fn kill(mut self) -> Arc<Folder> {
        self.child.start_kill().expect("it runs");
        let status = wait(&mut self.child, &self.log).await;
        assert_eq!(status.signal(), Some(9), "its end");
        assert_no_panic(&self.log);
        Arc::clone(&self.folder)
    }

    /// Waits for its end: exit code 0, and no panic in the log.
    pub(crate) async fn ended_well(mut self) -> Log {
        let status = wait(&mut self.child, &self.log).await;
        let log = self.log.clone();
        assert_eq!(status.code(), Some(0), "the exit code");
        assert_no_panic(&log);
        log
    }

    /// SIGTERM, and [`Sidecar::ended_well`].
    pub(crate) async fn stop(self) -> Log {
        self.terminate();
        self.ended_well().await
    }

    pub(crate) fn ask_admin(&self, method: &str, path: &str) -> Request {
        ask(&self.to_admin, self.admin, method, path)
    }
}

fn ask(client: &reqwest::Client, address: SocketAddr, method: &str, path: &str) -> Request {
    let verb: Method = method.parse().expect("a method");
    let builder = client.request(verb, format!("http://{address}{path}"));
    Request::new(builder, format!("{method} {path}"), TOKEN)
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "what a failed test needs to be understood")]
            {
                eprintln!("the sidecar's log:\n{}", self.log.text());
            }
        }
    }
}

/// Runs `sendgate COMMAND --config sidecar.toml` in `folder` until it ends by itself.
pub(crate) async fn run_to_end(
    command: &str,
    folder: &Folder,
    environment: &[(String, String)],
) -> Ended {
    let (mut child, log) = spawn(command, &[], folder.path(), environment);
    let status = wait(&mut child, &log).await;
    Ended { status, log }
}

/// The same by `program`, given its command line, as a shell in another namespace does it.
pub(crate) async fn run_to_end_by(
    mut program: Command,
    command: &str,
    folder: &Folder,
    environment: &[(String, String)],
) -> Ended {
    program.args([PROGRAM, command, "--config", "sidecar.toml"]);
    let (mut child, log) = launched(program, Stdio::null(), folder.path(), environment);
    let status = wait(&mut child, &log).await;
    Ended { status, log }
}

fn spawn(
    command: &str,
    flags: &[&str],
    folder: &Path,
    environment: &[(String, String)],
) -> (Child, Log) {
    let mut program = Command::new(PROGRAM);
    program.args([command, "--config", "sidecar.toml"]).args(flags);
    launched(program, Stdio::null(), folder, environment)
}

fn launched(
    mut program: Command,
    input: Stdio,
    folder: &Path,
    environment: &[(String, String)],
) -> (Child, Log) {
    let mut child = program
        .current_dir(folder)
        // What the machine has set for itself is no part of the test.
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|err| panic!("sendgate could not be started: {err}"));
    let out = child.stdout.take().expect("piped").into_owned_fd().expect("a descriptor");
    let err = child.stderr.take().expect("piped").into_owned_fd().expect("a descriptor");
    (child, Log::of([out, err]))
}

async fn wait(child: &mut Child, log: &Log) -> ExitStatus {
    let Ok(ended) = timeout(PATIENCE, child.wait()).await else {
        panic!("the process did not end; its log:\n{}", log.text());
    };
    log.end().await;
    ended.unwrap_or_else(|err| panic!("the process's end is unknown: {err}"))
}

/// That the program itself did not panic; what a policy says of its own panics is in the log as its words.
fn assert_no_panic(log: &Log) {
    let is_own = |line: &String| line.starts_with("thread '") && line.contains("panicked");
    let panics: Vec<String> = log.lines().into_iter().filter(is_own).collect();
    assert!(panics.is_empty(), "{panics:#?}");
}

/// The first address that the listener called `name` was bound to, from the log, and a client that speaks to it. In URLs
/// a Unix socket is this machine.
async fn listening(log: &Log, name: &str, folder: &Folder) -> (SocketAddr, reqwest::Client) {
    let find = |events: &[Value]| {
        let mut events = events.iter();
        let event = events.find(|event| field(event, "listener") == Some(name))?;
        field(event, "address").map(str::to_owned)
    };
    let Some(address) = log.wait_for(&format!("the listener `{name}`"), find).await else {
        panic!("the sidecar ended before it listened; its log:\n{}", log.text());
    };
    match address.strip_prefix("unix:") {
        Some(path) => {
            let client = settings().unix_socket(folder.path().join(path)).build();
            ((Ipv4Addr::LOCALHOST, 80).into(), client.expect("a client"))
        }
        None => (address.parse().expect("an address"), client()),
    }
}

/// A client that keeps to HTTP/1.1 and follows nothing.
pub(crate) fn client() -> reqwest::Client {
    settings().build().expect("a client")
}

fn settings() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    // Nothing here speaks TLS, but the client is not built without a provider of it.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(Duration::from_secs(90))
}
