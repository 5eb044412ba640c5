//! Modules of a real registry: pulled, kept, moved, withheld, tampered with and signed.

mod kept;
mod moved;
mod refused;
mod signed;

use std::path::PathBuf;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use crate::harness::{DockerRegistry, Folder, Policy, Setup, Sidecar, eventually};
use crate::reload::{bytes_of, digest, gate, marked};
use crate::tools::sendgate;

/// Where a sidecar keeps what it pulled, beside its configuration.
const CACHE: &str = "sendgate-modules";

/// Pushes `module` to `tag` with the further `words`; the reference with its digest.
async fn push(registry: &DockerRegistry, module: &[u8], tag: &str, words: &[&str]) -> String {
    let folder = Folder::new();
    folder.write("gate.wasm", module);
    let reference = registry.reference(tag);
    let command = ["policy", "push", "gate.wasm", &reference, "--plain-http"];
    let pushed = sendgate(folder.path(), &[&command, words].concat()).await;
    let printed = pushed.ended(0).trim().to_owned();
    assert!(printed.starts_with(&format!("{reference}@sha256:")), "{printed}");
    printed
}

/// A sidecar with one policy, `gate`, whose module is in the registry at `reference`.
fn setup(plivo: &PlivoSim, registry: &DockerRegistry, reference: &str) -> Setup {
    let setup = Setup::new(plivo).set("registry.plain_http", json!([registry.host()]));
    setup.policy(gate(reference))
}

/// What accepts everything, in two versions; and what refuses what it is asked to.
fn accepts(mark: u8) -> Vec<u8> {
    marked("validation", mark)
}

fn refuses() -> Vec<u8> {
    bytes_of("runaway")
}

/// The digest of the module that is in force as `gate`.
async fn in_force(sidecar: &Sidecar) -> Value {
    sidecar.admin("/policies").await.expect(200)["policies"][0]["digest"].clone()
}

/// Waits until `module` is in force as `gate`.
async fn comes_into_force(sidecar: &Sidecar, module: &[u8]) {
    let probe = async || (in_force(sidecar).await == digest(module)).then_some(());
    eventually("the module is in force", probe).await;
}

/// The digest in a reference that has one.
fn pinned(reference: &str) -> &str {
    reference.split_once('@').expect("a digest").1
}

/// The file in which a sidecar keeps what has this digest.
fn kept_as(folder: &Folder, hex: &str) -> PathBuf {
    folder.path().join(CACHE).join(hex.trim_start_matches("sha256:"))
}

/// The policy `gate` of Setup, for configurations that are changed.
fn other(plivo: &PlivoSim, registry: &DockerRegistry, policy: Policy) -> Setup {
    Setup::new(plivo).set("registry.plain_http", json!([registry.host()])).policy(policy)
}
