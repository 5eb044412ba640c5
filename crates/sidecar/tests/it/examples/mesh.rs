//! The examples of meshes: their manifests against schemas, and a sidecar with each of their configurations.

mod kubelet;
mod kubernetes;
mod machine;

use std::path::{Path, PathBuf};

use plivo_sim::PlivoSim;

use super::install::{self, installed};
use super::program::Program;
use super::{an_sdk_sent, plivo};
use crate::harness::{Folder, Sidecar, TO, module};

/// The token of the app `orders`, as the tests' secrets have it.
const TOKEN: &str = "token-of-the-app-orders";

/// Python with the schemas, and the script that holds manifests against them.
async fn schemas() -> Program {
    let from = "crates/sidecar/tests/it/examples/mesh";
    let folder = installed(from, &["requirements.txt", "manifests.py"], install::python).await;
    Program::at(&folder.join(".venv/bin/python"), "Python's venv module")
        .arg(&folder.join("manifests.py").display().to_string())
}

/// Node with what is known of the meshes' own objects, and the script that holds such objects against it.
async fn of_meshes() -> Program {
    let from = "crates/sidecar/tests/it/examples/mesh";
    let folder = installed(from, &["package.json", "meshes.mjs"], install::node).await;
    Program::new("node", "Node.js 20 or newer").within(&folder).arg("meshes.mjs")
}

/// What each secret of the examples is in a test, by its file's name; `redis` is the URL of the server that is shared.
fn secret(name: &str, redis: &str) -> String {
    let value = match name {
        "plivo-auth-id" => "MAXXXXXXXXXXXXXXXXXX",
        "plivo-auth-token" => "sim-token",
        "orders-token" => TOKEN,
        "admin-token" => "token-of-the-operators",
        "hash-key" => "a-key-of-hashes-that-all-replicas-have",
        "redis-url" => redis,
        other => panic!("the examples have a new secret, `{other}`"),
    };
    value.to_owned()
}

/// A configuration of an example, with what a test must say otherwise: free ports, the simulator, folders of its own,
/// compiled modules where other tests have left them, and no matter how full the disk is. `places` are what stands for
/// folders of the example's machine.
fn at_home(toml: &str, plivo: &PlivoSim, admin: &str, places: &[(&str, &Path)]) -> String {
    let compiled = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled-policies");
    let mut toml = toml.to_owned();
    let mut replace = |theirs: &str, ours: &str| {
        assert!(toml.contains(theirs), "{theirs} is not in\n{toml}");
        toml = toml.replace(theirs, ours);
    };
    replace("apps = \"127.0.0.1:8787\"", "apps = \"127.0.0.1:0\"");
    replace(&format!("admin = \"{admin}\""), "admin = \"127.0.0.1:0\"");
    replace("https://api.plivo.com", &plivo.base_url());
    replace("[store]\n", "[store]\nmin_free_percent = 0\n");
    for (theirs, ours) in places {
        replace(&format!("\"{theirs}/"), &format!("\"{}/", ours.display()));
    }
    let line = toml.lines().find(|line| line.starts_with("compile_cache = "));
    let line = line.expect("modules that are compiled are kept").to_owned();
    toml.replace(&line, &format!("compile_cache = {compiled:?}"))
}

/// An app with curl, and one with the official SDK, as they stand in their examples.
async fn apps_send(sidecar: &Sidecar, plivo: &PlivoSim) {
    let url = format!("http://{}", sidecar.apps);
    let folder =
        installed("examples/python-plivo-sdk", &["requirements.txt", "send.py"], install::python);
    let folder: PathBuf = folder.await;
    let python = Program::at(&folder.join(".venv/bin/python"), "Python's venv module");
    let app = python.within(&folder).arg("send.py");
    let said = app.env("SENDGATE_URL", &url).env("SENDGATE_TOKEN", TOKEN).run().await;
    an_sdk_sent(plivo, &said, "Python");

    let script = Program::at(&install::path("examples/curl/send.sh"), "bash").arg(TO);
    let said = script.env("SENDGATE_URL", &url).env("SENDGATE_TOKEN", TOKEN).run().await;
    let sends = plivo.sends();
    assert_eq!(sends.len(), 3, "{said}");
    assert!(said.contains(&sends[2].message_uuid), "{said}");
}

/// A folder with the file of each secret in it.
fn write_secrets<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>, redis: &str) {
    std::fs::create_dir_all(folder).expect("a folder");
    for name in names {
        std::fs::write(folder.join(name), secret(name, redis)).expect("a file");
    }
}

/// Where the standard policies are, as an image or a package has them.
fn standard_policies() -> PathBuf {
    module("validation").parent().expect("a folder").to_owned()
}

/// The sidecar of `toml` in `folder`, as in production.
async fn started(folder: Folder, toml: &str) -> Sidecar {
    let production = ("SENDGATE_ENV".to_owned(), "production".to_owned());
    Sidecar::start_with(folder, toml, &[production]).await
}
