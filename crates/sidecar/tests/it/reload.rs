//! Changes while it runs: each comes into force whole, or not at all and with the reason told; no request notices.

mod budget;
mod candidate;
mod in_force;
mod links;
pub(crate) mod load;
mod promotion;
pub(crate) mod refused;
mod restless;
mod rollback;
mod secrets;
mod state;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Folder, Policy, Setup, Sidecar, eventually, module};

/// No test waits so long: what comes into force with it came by a notice.
pub(crate) const NEVER_POLLS: u64 = 3_600_000;
/// The shortest time between two looks at the files.
pub(crate) const POLLS_OFTEN: u64 = 100;

/// What the guest `runaway` refuses with the code `test.asked`, and every other policy accepts.
pub(crate) const REFUSED_BY_THE_GUEST: &str = "refuse test.asked";

/// A policy called `gate` whose module is the file `path`, with every grant that any module here needs, and time enough
/// for a machine that compiles modules meanwhile.
pub(crate) fn gate(path: &str) -> Policy {
    let grants = json!(["state", "log", "amend"]);
    let gate = Policy::new("validation").set("name", "gate").set("module", path);
    gate.set("grants", grants).set("time_ms", 10_000)
}

/// The module called `name`, with a custom section more: other bytes that decide the same.
pub(crate) fn marked(name: &str, mark: u8) -> Vec<u8> {
    let mut bytes = bytes_of(name);
    // WebAssembly 1.0, 5.5.3: id, size, the name's length, the name, the content.
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    let path = module(name);
    std::fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// What a module is known by in answers.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts a sidecar in a folder that holds its modules already.
pub(crate) async fn start_in(folder: Folder, setup: &Setup) -> Sidecar {
    let environment = [("SENDGATE_ENV".to_owned(), "development".to_owned())];
    Sidecar::start_with(folder, &setup.to_toml(), &environment).await
}

/// The generation in force.
pub(crate) async fn generation(sidecar: &Sidecar) -> u64 {
    sidecar.ready().await.expect(200)["generation"].as_u64().expect("a number")
}

/// Waits until a generation later than `before` is in force and no refusal stands.
pub(crate) async fn applied(sidecar: &Sidecar, before: u64) -> u64 {
    let probe = async || {
        let ready = sidecar.ready().await.expect(200);
        let generation = ready["generation"].as_u64()?;
        (generation > before && ready["reload_refused"].is_null()).then_some(generation)
    };
    eventually(&format!("a generation after {before} is in force"), probe).await
}

/// Waits until a refusal with `wanted` in one of its reasons stands, and returns every reason.
pub(crate) async fn refusal(sidecar: &Sidecar, wanted: &str) -> Vec<String> {
    let mut last = Value::Null;
    let probe = async || {
        last = sidecar.ready().await.expect(200)["reload_refused"].clone();
        let faults: Vec<String> = serde_json::from_value(last.clone()).ok()?;
        faults.iter().any(|fault| fault.contains(wanted)).then_some(faults)
    };
    eventually(&format!("a reload is refused with `{wanted}`"), probe).await
}

/// Writes the configuration anew.
pub(crate) fn configure(sidecar: &Sidecar, setup: &Setup) {
    sidecar.folder.write("sidecar.toml", setup.to_toml());
}

/// The same bytes again, as a file of their own with a date of its own.
fn rewrite(sidecar: &Sidecar, name: &str) {
    let bytes = std::fs::read(sidecar.folder.path().join(name)).expect("it is there");
    sidecar.folder.write(name, bytes);
}
