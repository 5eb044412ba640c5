//! What fails too often is asked no more: a candidate is dropped, and of a policy in force `on_failure` decides.

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use super::{NEVER_POLLS, applied, bytes_of, configure, gate, marked, start_in};
use crate::harness::{Folder, Policy, Setup, Sidecar, TO, eventually, plivo};

const OPERATOR: &str = "token-of-the-operator";

fn setup(plivo: &PlivoSim, policy: Policy) -> Setup {
    let setup = Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS);
    setup.set("listen.admin_token", OPERATOR).policy(policy)
}

/// The guest that does what a text says, until it has failed three times in so long.
fn guest(window_s: u32, on_failure: &str) -> Policy {
    let budget = json!({"failures": 3, "window_s": window_s});
    gate("gate.wasm").set("on_failure", on_failure).set("error_budget", budget).set("time_ms", 100)
}

async fn start(setup: &Setup) -> Sidecar {
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("runaway"));
    folder.write("next.wasm", marked("runaway", 1));
    start_in(folder, setup).await
}

async fn says(sidecar: &Sidecar, text: &str) -> crate::harness::Answer {
    sidecar.send(&json!({"to": TO, "text": text})).await
}

async fn tripped(sidecar: &Sidecar) -> Value {
    sidecar.ready().await.expect(200)["policies_tripped"].clone()
}

#[tokio::test]
async fn a_policy_that_always_times_out_costs_nothing_until_somebody_changes_something() {
    let plivo = plivo().await;
    let before = setup(&plivo, guest(3_600, "reject"));
    let sidecar = start(&before).await;
    for _ in 0..3 {
        says(&sidecar, "spin").await.refused(503, "policy.fuel_exhausted");
    }

    let spared = says(&sidecar, "hello").await.refused(503, "policy.module_failed");

    assert_eq!(spared["policy"]["failure"], "tripped", "{spared}");
    let explain = sidecar.post("/v1/explain").json(&json!({"to": TO, "text": "spin"}));
    let explained = explain.answer().await.expect(200);
    assert_eq!(explained["policies"][0]["failure"], "tripped", "{explained}");
    assert_eq!(explained["policies"][0]["us"], 0, "it was asked: {explained}");
    assert_eq!(tripped(&sidecar).await, json!(["gate"]));
    let shown = sidecar.admin("/policies").await.expect(200);
    let budget = &shown["policies"][0]["error_budget"];
    assert_eq!((&budget["failures"], &budget["trips"]), (&json!(3), &json!(1)), "{shown}");
    assert!(budget["tripped_for_s"].as_f64().is_some_and(|left| left > 0.0), "{shown}");

    configure(&sidecar, &before.clone().set("delivery.ttl_s", 600));
    applied(&sidecar, 1).await;
    says(&sidecar, "hello").await.expect(202);
    assert_eq!(tripped(&sidecar).await, json!([]));

    // Other policies, and back to these by a rollback.
    for _ in 0..3 {
        says(&sidecar, "panic").await.refused(503, "policy.module_failed");
    }
    assert_eq!(tripped(&sidecar).await, json!(["gate"]));
    sidecar.folder.write("gate.wasm", marked("runaway", 2));
    applied(&sidecar, 2).await;
    says(&sidecar, "hello").await.expect(202);
    sidecar.operate("/rollback", OPERATOR).await.expect(200);
    says(&sidecar, "hello").await.expect(202);
    let log = sidecar.stop().await.text();
    let line = "a policy failed too often and is not asked for now; on_failure decides";
    assert_eq!(log.matches(line).count(), 2, "{log}");
}

#[tokio::test]
async fn a_policy_that_may_fail_is_skipped_and_comes_back_by_itself() {
    let plivo = plivo().await;
    let sidecar = start(&setup(&plivo, guest(1, "accept"))).await;
    let refused = async || says(&sidecar, "refuse test.asked").await.status == 422;
    let spared = async || {
        // All three within the window, however busy the machine is.
        for _ in 0..3 {
            says(&sidecar, "panic").await.expect(202);
        }
        (!refused().await).then_some(())
    };
    eventually("three failures are within a second", spared).await;

    let asked_again = async || refused().await.then_some(());
    eventually("the policy is asked again", asked_again).await;

    assert_eq!(tripped(&sidecar).await, json!([]));
    let log = sidecar.stop().await.text();
    assert!(log.contains("a policy that failed too often is asked again"), "{log}");
}

#[tokio::test]
async fn a_candidate_that_fails_too_often_is_dropped_and_another_one_is_tried() {
    let plivo = plivo().await;
    let settings = json!({"on_text": {"hello": "spin"}});
    let tried = guest(3_600, "reject").set("candidate", "next.wasm");
    let before = setup(&plivo, tried.set("candidate_settings", settings));
    let sidecar = start(&before).await;
    for _ in 0..3 {
        says(&sidecar, "hello").await.expect(202);
    }
    let trial = async || {
        let shown = sidecar.admin("/policies").await.expect(200);
        shown["policies"][0]["candidate"].clone()
    };
    let dropped = trial().await;
    assert_eq!(
        (&dropped["standing"], &dropped["failure"]),
        (&json!("dropped"), &json!("deadline"))
    );
    let metrics = sidecar.admin("/metrics").await.text;
    for series in [
        r#"sendgate_candidate_standing{policy_name="gate",standing="dropped"} 1"#,
        r#"sendgate_candidate_compared_total{policy_name="gate"} 3"#,
        r#"sendgate_candidate_differences_total{kind="verdict",policy_name="gate"} 3"#,
        r#"sendgate_candidate_differences_total{kind="notes",policy_name="gate"} 0"#,
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} is not in\n{metrics}");
    }
    let refused = sidecar.operate("/policies/gate/promote", OPERATOR).await;
    let refused = refused.refused(409, "policy.candidate_dropped");
    assert!(refused["error"].as_str().is_some_and(|said| said.contains("deadline")), "{refused}");

    let body = says(&sidecar, "hello").await.expect(202);
    let record = sidecar.get(&format!("/v1/messages/{}", body["id"].as_str().unwrap())).await;
    let decisions = record.expect(200)["decisions"].clone();
    assert_eq!(decisions.as_array().map(Vec::len), Some(1), "it was asked: {decisions}");
    assert_eq!(tripped(&sidecar).await, json!([]), "the policy in force did not fail");

    sidecar.folder.write("next.wasm", marked("runaway", 3));
    applied(&sidecar, 1).await;
    says(&sidecar, "well").await.expect(202);
    let anew = trial().await;
    assert_eq!((&anew["standing"], &anew["compared"]), (&json!("on_trial"), &json!(1)), "{anew}");
    let log = sidecar.stop().await.text();
    assert_eq!(log.matches("a candidate failed too often and is dropped").count(), 1, "{log}");
    let why: Vec<&str> = log.lines().filter(|line| line.contains("a candidate failed\"")).collect();
    let told = why.first().is_some_and(|line| line.contains("time"));
    assert!(told, "why it failed is not told: {why:?} in\n{log}");
}
