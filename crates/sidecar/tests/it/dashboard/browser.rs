//! The dashboard in a real Chromium: what an operator does there, by keyboard alone.

use std::time::Duration;

use plivo_sim::{Callbacks, PlivoSim, SimConfig};
use serde_json::{Value, json};
use store::Status;

use crate::examples::install::{self, installed};
use crate::examples::program::Program;
use crate::harness::{App, Folder, Policy, Setup, Sidecar, TOKEN};
use crate::operators::{Left, OPERATOR, durable, leave};
use crate::reload::{applied, refusal};

const FILES: [&str; 3] = ["package.json", "browser.js", "check.js"];

#[tokio::test]
async fn an_operator_without_a_mouse_does_in_chromium_what_the_dashboard_is_for() {
    let folder = installed("examples/dashboard", &FILES, install::node).await;
    let callbacks = Callbacks::Auto { sent_after: Duration::ZERO, delivered_after: Duration::ZERO };
    let plivo = PlivoSim::start(SimConfig { callbacks, ..SimConfig::default() }).await;
    let sidecar = busy(&plivo).await;

    let node = Program::new("node", "Node.js 20 or newer").within(&folder).arg("check.js");
    let node = node
        .env("SENDGATE_ADMIN", &format!("http://{}", sidecar.admin))
        .env("SENDGATE_URL", &format!("http://{}", sidecar.apps))
        .env("SENDGATE_TOKEN", TOKEN)
        .env("SENDGATE_ADMIN_TOKEN", OPERATOR);
    node.run().await;

    let held = sidecar.admin("/messages/01a20a3f-1841-70a0-98c5-f262ce166f01").await.expect(200);
    assert_ne!(held["status"], "held", "{held}");
    let doubt = sidecar.admin("/messages/01a20a3f-1841-70a0-98c5-f262ce166f02").await.expect(200);
    assert_eq!(doubt["status"], "canceled", "{doubt}");
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(
        (&shown["rollback"]["from"], &shown["rollback"]["to"]),
        (&json!(2), &json!(1)),
        "{shown}"
    );
    sidecar.stop().await;
}

/// A sidecar with something to see in every part of the page.
async fn busy(plivo: &PlivoSim) -> Sidecar {
    let folder = Folder::new();
    leave(
        &folder,
        &[
            Left::new("01a20a3f-1841-70a0-98c5-f262ce166f01", Status::Held),
            Left::new("01a20a3f-1841-70a0-98c5-f262ce166f02", Status::InDoubt),
        ],
    )
    .await;
    let sidecar = Sidecar::start_in(folder, setup(plivo, 90)).await;
    sidecar.folder.write("sidecar.toml", setup(plivo, 60).to_toml());
    applied(&sidecar, 1).await;
    sidecar.folder.write("sidecar.toml", setup(plivo, 60).set("delivery.colour", "red").to_toml());
    refusal(&sidecar, "delivery.colour").await;
    for nth in 0..48_u32 {
        let (token, to) = match nth % 8 {
            3 => (TOKEN, "+5351234567".to_owned()),
            5 => (TOKEN, format!("+4477009001{:02}", nth)),
            1 | 6 => ("token-of-the-app-shop", format!("+1415555{:04}", 2_300 + nth)),
            _ => (TOKEN, format!("+1415555{:04}", 2_300 + nth)),
        };
        // Some say what others have said.
        let text =
            if nth % 11 == 0 { "Your table is ready".to_owned() } else { format!("Order {nth}") };
        let message =
            json!({"to": if nth % 11 == 0 { "+14155552300".to_owned() } else { to }, "text": text});
        let request = sidecar.post("/v1/messages").bearer(token).header("prefer", "wait=5");
        request.json(&message).answer().await;
    }
    sidecar
}

fn setup(plivo: &PlivoSim, quota: u32) -> Setup {
    let limits: Value = json!([
        {"name": "app", "scope": "app", "quota": quota, "per_s": 3_600},
        {"name": "sender", "scope": "sender", "kind": "gcra", "quota": 100, "per_s": 1, "burst": 50},
        {"name": "recipient", "scope": "recipient", "quota": 5, "per_s": 86_400},
    ]);
    durable(plivo)
        .set("delivery.on_unresolved", "hold")
        .set("delivery.settle_s", json!([600]))
        .set("delivery.poll_s", json!([1, 5]))
        .app(App::new("shop", "token-of-the-app-shop"))
        .policy(Policy::new("validation"))
        .policy(Policy::new("country"))
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(json!({"limits": limits})))
        .policy(Policy::new("media").set("grants", json!(["media"])).set("mode", "shadow"))
}
