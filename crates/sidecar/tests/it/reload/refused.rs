//! What cannot be brought into force leaves the generation before it in force, and says why until it is mended.

mod configuration;
mod modules;
mod told;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use crate::harness::{Policy, Setup, Sidecar, TO};
use crate::reload::{NEVER_POLLS, REFUSED_BY_THE_GUEST, generation, refusal};

/// The line and column, both from 1, at which `text` stands in `toml`.
fn place(toml: &str, text: &str) -> String {
    let offset = toml.find(text).unwrap_or_else(|| panic!("no {text} in\n{toml}"));
    let before = &toml[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    format!("sidecar.toml:{}:{}", before.matches('\n').count() + 1, offset - line_start + 1)
}

/// Checks that the refusal of `wanted` is told everywhere, and that generation `before` still decides.
async fn is_told(sidecar: &Sidecar, before: u64, wanted: &str) {
    let faults = refusal(sidecar, wanted).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["reload"]["refused"]["faults"], json!(faults), "{listed}");
    assert!(listed["reload"]["refused"]["times"].as_u64() >= Some(1), "{listed}");
    assert_eq!((&listed["generation"], generation(sidecar).await), (&json!(before), before));
    let logged = |events: &[Value]| {
        let said = |event: &&Value| {
            event["level"] == "ERROR"
                && event["fields"]["generation"] == before
                && event["fields"]["fault"].as_str().is_some_and(|fault| fault.contains(wanted))
        };
        events.iter().find(said).cloned()
    };
    let logged = sidecar.log.wait_for(&format!("`{wanted}` in the log"), logged).await;
    assert!(logged.is_some(), "the sidecar ended");
    sidecar.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.expect(202);
}

/// The gate, which needs nothing, and a guest that imports `state` and `log`.
fn chain(plivo: &PlivoSim, guest: Policy) -> Setup {
    let gate = Policy::new("validation").set("name", "gate");
    Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate).policy(guest)
}

fn quiet_guest() -> Policy {
    Policy::new("runaway").set("grants", json!(["state", "log"])).set("apps", json!(["demo"]))
}

/// The module as if it were built against another version of the contract.
pub(crate) fn of_version(module: &[u8], version: &str) -> Vec<u8> {
    let (own, other) = (b"sendgate:policy/", version.as_bytes());
    let mut bytes = module.to_vec();
    let names: Vec<usize> =
        (0..bytes.len() - own.len()).filter(|at| bytes[*at..].starts_with(own)).collect();
    for at in names {
        let Some(sign) = bytes[at..].iter().position(|byte| *byte == b'@') else { continue };
        bytes[at + sign + 1..][..other.len()].copy_from_slice(other);
    }
    bytes
}
