//! What outlives a reload, and what ends with the generation that it began under.

use plivo_sim::Step;
use serde_json::{Value, json};

use super::{
    NEVER_POLLS, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate, marked, start_in,
};
use crate::harness::{Folder, PATIENCE, Policy, Setup, Sidecar, TO, eventually, plivo};

#[tokio::test]
async fn what_policies_remember_outlives_their_settings_and_their_modules() {
    let plivo = plivo().await;
    let folder = Folder::new();
    for name in ["dedup", "throttle"] {
        folder.write(&format!("{name}.wasm"), bytes_of(name));
    }
    let setup = |quota: u32, window_s: u32| {
        let limits =
            json!({"limits": [{"name": "app", "scope": "app", "quota": quota, "per_s": 3600}]});
        let dedup = Policy::new("dedup").set("module", "dedup.wasm");
        let throttle = Policy::new("throttle").set("module", "throttle.wasm");
        Setup::new(&plivo)
            .set("reload.poll_ms", NEVER_POLLS)
            .policy(dedup.settings(json!({"window_s": window_s})))
            .policy(throttle.settings(limits))
    };
    let sidecar = start_in(folder, &setup(5, 3_600)).await;
    let says = async |text: &str| sidecar.send(&json!({"to": TO, "text": text})).await;
    for text in ["one", "two"] {
        says(text).await.expect(202);
    }

    configure(&sidecar, &setup(3, 1_800));
    let second = applied(&sidecar, 1).await;
    says("one").await.refused(409, "dup.content");

    for name in ["dedup", "throttle"] {
        sidecar.folder.write(&format!("{name}.wasm"), marked(name, 1));
    }
    applied(&sidecar, second).await;
    let probe = async || {
        let listed = sidecar.get("/v1/policies").await.expect(200);
        let new = ["dedup", "throttle"].map(|name| digest(&marked(name, 1)));
        (listed["policies"][0]["digest"] == new[0] && listed["policies"][1]["digest"] == new[1])
            .then_some(())
    };
    eventually("both new modules are in force", probe).await;
    says("two").await.refused(409, "dup.content");
    says("three").await.expect(202);
    says("four").await.refused(429, "throttle.app");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_outlives_a_reload() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS);
    let sidecar = Sidecar::start(setup.clone()).await;
    let keyed = async || {
        let request = sidecar.post("/v1/messages").key("order-1");
        request.json(&json!({"to": TO, "text": "hi"})).answer().await
    };
    let first = keyed().await.expect(202);

    // Neither another policy nor another default sender makes it another request.
    let changed = setup.policy(Policy::new("country")).set("plivo.sender", "+14155559999");
    configure(&sidecar, &changed);
    applied(&sidecar, 1).await;

    let again = keyed().await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!(again.expect(202)["id"], first["id"]);
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_ends_on_the_generation_that_it_began_under() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});

    let (answer, ()) = tokio::join!(sidecar.send(&message), async {
        plivo.wait_for_requests(1, PATIENCE).await.expect("a request");
        sidecar.folder.write("gate.wasm", bytes_of("runaway"));
        applied(&sidecar, 1).await;
        sidecar.send(&message).await.refused(422, "test.asked");
        plivo.release();
    });

    let body = answer.expect(202);
    let path = format!("/v1/messages/{}", body["id"].as_str().expect("an id"));
    let record = sidecar.get(&path).await.expect(200);
    assert_eq!(record["status"], "submitted", "{record}");
    assert_eq!(record["decisions"][0]["digest"], digest(&bytes_of("validation")), "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_last_good_module_stands_in_for_one_that_fails() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("country"));
    let gate = gate("gate.wasm").set("on_failure", "last-good");
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate);
    let sidecar = start_in(folder, &setup).await;
    sidecar.folder.write("gate.wasm", bytes_of("runaway"));
    applied(&sidecar, 1).await;

    let accepted = sidecar.send(&json!({"to": TO, "text": "panic"})).await.expect(202);
    let refused = sidecar.send(&json!({"to": "+989121234567", "text": "panic"})).await;
    refused.refused(403, "country.hard_denied");
    let well = sidecar.send(&json!({"to": "+989121234567", "text": "well"})).await.expect(202);

    let decided = async |body: &Value| {
        let path = format!("/v1/messages/{}", body["id"].as_str().expect("an id"));
        let record = sidecar.get(&path).await.expect(200);
        let decisions = record["decisions"].as_array().expect("a list").clone();
        let pair = |decision: &Value| (decision["verdict"].clone(), decision["digest"].clone());
        decisions.iter().map(pair).collect::<Vec<_>>()
    };
    let (country, runaway) = (digest(&bytes_of("country")), digest(&bytes_of("runaway")));
    let both = [(json!("failure"), json!(runaway)), (json!("accept"), json!(country))];
    assert_eq!(decided(&accepted).await, both);
    assert_eq!(decided(&well).await, [(json!("accept"), json!(runaway))]);
    sidecar.stop().await;
}

#[tokio::test]
async fn without_a_last_good_module_one_that_fails_refuses() {
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log"]));
    let setup = Setup::new(&plivo).policy(guest.set("on_failure", "last-good"));
    let sidecar = Sidecar::start(setup).await;
    let message = json!({"to": TO, "text": "panic"});
    sidecar.send(&message).await.refused(503, "policy.module_failed");
    sidecar.stop().await;
}
