//! A sidecar that is killed, and started again on the same database.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{fs, thread};

use serde_json::Value;

use crate::harness::{Folder, Log, Setup};

/// SIGKILL's number.
const KILLED: i32 = 9;

/// One process. Killed when it is dropped; its log is printed when the test fails.
pub(crate) struct Victim {
    pub(crate) apps: SocketAddr,
    log: Log,
    killer: Killer,
}

/// Kills one process and no other: its number cannot be another's before it is waited for, which is done here alone.
#[derive(Clone)]
pub(crate) struct Killer(Arc<Mutex<Child>>);

impl Victim {
    /// Starts one in `folder` and waits until it listens; none where it met its own end before that. `fail` is the
    /// point at which it is to die, and how often it may pass there.
    ///
    /// # Panics
    ///
    /// If it ends by anything but SIGKILL.
    pub(crate) async fn start(
        folder: &Folder,
        setup: &Setup,
        fail: Option<String>,
    ) -> Option<Self> {
        folder.write("sidecar.toml", setup.to_toml());
        let mut child = Command::new(program())
            .args(["run", "--config", "sidecar.toml"])
            .current_dir(folder.path())
            .env_clear()
            .env("SENDGATE_ENV", "development")
            .env("RUST_BACKTRACE", "1")
            // Only among replicas are there leases.
            .env("SENDGATE_SHORT_LEASES", "1")
            .envs(fail.map(|fail| ("SENDGATE_FAIL", fail)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("sendgate could not be started: {err}"));
        let log = Log::of([
            child.stdout.take().expect("piped").into(),
            child.stderr.take().expect("piped").into(),
        ]);
        let killer = Killer(Arc::new(Mutex::new(child)));
        let Some(apps) = listening(&log, "apps").await else {
            let ended = killer.kill();
            assert_eq!(ended.signal(), Some(KILLED), "it did not start; its log:\n{}", log.text());
            return None;
        };
        Some(Self { apps, log, killer })
    }

    /// Where Plivo's reports are taken; none where it has ended before.
    pub(crate) async fn callbacks(&self) -> Option<SocketAddr> {
        listening(&self.log, "callbacks").await
    }

    pub(crate) fn killer(&self) -> Killer {
        self.killer.clone()
    }

    /// Kills it, unless that has been done.
    ///
    /// # Panics
    ///
    /// If it has ended by anything else, or has panicked anywhere.
    pub(crate) async fn kill(self) {
        let ended = self.killer.kill();
        self.log.end().await;
        let panicked = self.log.lines().into_iter().find(|line| line.contains("panicked"));
        assert_eq!((ended.signal(), panicked), (Some(KILLED), None), "its end");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.killer.kill();
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "what a failed test needs to be understood")]
            {
                eprintln!("the sidecar's log:\n{}", self.log.text());
            }
        }
    }
}

impl Killer {
    /// Kills it, if it still lives, and waits for its end.
    pub(crate) fn kill(&self) -> ExitStatus {
        let mut child = self.child();
        // One that has ended by itself needs no killing.
        drop(child.kill());
        child.wait().unwrap_or_else(|err| panic!("the process's end is unknown: {err}"))
    }

    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address of a listener, as soon as the log tells it; none where the process ends before.
async fn listening(log: &Log, name: &str) -> Option<SocketAddr> {
    let find = |events: &[Value]| {
        let mut fields = events.iter().map(|event| event.get("fields").unwrap_or(event));
        fields.find(|fields| fields["listener"] == name)?["address"].as_str()?.parse().ok()
    };
    log.wait_for(&format!("the listener `{name}`"), find).await
}

/// A copy of the program under test, so that a build meanwhile does not change what is started next.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (draft, path) =
            (folder.join("sendgate-to-crash.draft"), folder.join("sendgate-to-crash"));
        fs::copy(env!("CARGO_BIN_EXE_sendgate"), &draft)
            .and_then(|_| fs::rename(&draft, &path))
            .unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        path
    })
}
