//! Tests in namespaces of their own: nothing of the machine's network is touched, and nothing outlives them.

use std::any::type_name;
use std::env;
use std::process::Command;

/// Set where the test runs in its namespaces.
const INSIDE: &str = "SENDGATE_TEST_APART";
/// The kernel ends all that is in a namespace of processes with the first of them, the test, and that one with
/// `unshare`, however it ends. The networks go with their processes.
const APART: [&str; 5] = ["--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
/// As root, or as one who is root in there alone.
const USERS: [&[&str]; 2] = [&[], &["--map-root-user"]];
/// What tests do in there.
const TRIAL: &str = "ip link add trial0 type veth peer name trial1 && unshare --net true";

/// Runs `test`, written in the function of a test, in a process with namespaces of its own.
pub(super) fn apart<T: AsyncFnOnce()>(test: T) {
    if env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(test());
    }
    let tried = USERS.map(|user| (user, trial(user)));
    let Some((user, _)) = tried.iter().find(|(_, trial)| trial.is_ok()) else {
        return skip(&format!("{:?}", tried.map(|(_, trial)| trial)));
    };
    let name = type_name::<T>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a crate's name and a path");
    let mut command = Command::new("unshare");
    command.args(*user).args(APART).arg(env::current_exe().expect("this program"));
    let ended = command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output();
    let ended = ended.expect("unshare");
    let [out, err] =
        [ended.stdout, ended.stderr].map(|said| String::from_utf8(said).expect("text"));
    let passed = ended.status.success() && out.contains("1 passed");
    assert!(passed, "{name}, in namespaces of its own: {}\n{out}\n{err}", ended.status);
}

/// Whether that is permitted here.
fn trial(user: &[&str]) -> Result<(), String> {
    let mut command = Command::new("unshare");
    let ended = command.args(user).args(APART).args(["sh", "-c", TRIAL]).output();
    let ended = ended.map_err(|err| format!("unshare: {err}"))?;
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    ended.status.success().then_some(()).ok_or(said)
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests should know")]
fn skip(why: &str) {
    eprintln!("skipped: network namespaces are not permitted here: {why}");
}
