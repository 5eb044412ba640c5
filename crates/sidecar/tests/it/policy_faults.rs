//! Policies that spin, hoard, panic or cannot decide: the operator's word decides, and nobody else notices.

use std::sync::Arc;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Policy, Setup, Sidecar, TO, plivo, texts};

/// What the guest does when the text says so, and what the host calls it.
const MISDEEDS: [(&str, &str, &str); 8] = [
    ("spin", "policy.fuel_exhausted", "deadline"),
    ("hoard", "policy.module_failed", "memory"),
    ("panic", "policy.module_failed", "trap"),
    ("overflow", "policy.module_failed", "stack_overflow"),
    ("chatty", "policy.fuel_exhausted", "deadline"),
    ("greedy", "policy.module_failed", "host_calls"),
    ("undecided", "policy.module_failed", "undecided"),
    ("redirect +33612345678", "policy.illegal_transform", "illegal_amend"),
];

/// What the log says of some of them, so that an operator knows what to raise or to mend.
const REASONS: [&str; 4] =
    ["raise `host_calls`", "raise `memory_mb`", "overflowed its stack", "panicked at "];

fn guest(on_failure: &str) -> Policy {
    let grants = json!(["state", "log", "amend"]);
    Policy::new("runaway").set("grants", grants).set("on_failure", on_failure).set("time_ms", 250)
}

fn setup(plivo: &PlivoSim, on_failure: &str) -> Setup {
    Setup::standard(plivo).policy(guest(on_failure))
}

fn says(text: &str) -> Value {
    json!({"to": TO, "text": text})
}

#[tokio::test]
async fn a_policy_that_fails_closes_the_door_and_says_which_and_how() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, "reject")).await;
    for (misdeed, code, failure) in MISDEEDS {
        let answer = sidecar.send(&says(misdeed)).await;

        let body = answer.refused(503, code);
        let policy = &body["policy"];
        let told = (&policy["name"], &policy["code"], &policy["failure"]);
        assert_eq!(told, (&json!("runaway"), &json!(code), &json!(failure)), "{misdeed}: {answer}");
        assert!(policy["version"].is_string(), "{misdeed}: {answer}");
        assert!(answer.header("retry-after").is_some(), "{misdeed}: {answer}");
        assert!(
            !answer.text.contains("as the message asks"),
            "the guest's own words stay inside: {answer}"
        );
        sidecar.send(&says(&format!("an ordinary text after {misdeed}"))).await.expect(202);
    }
    assert_eq!(plivo.sends().len(), MISDEEDS.len(), "only the ordinary texts were sent");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_list_on_which_policies_fail_is_asked_about_for_a_while_only_sent_or_explained() {
    let plivo = plivo().await;
    // In the second case the failures are passed over, and only time ends the asking.
    for (on_failure, first, most) in
        [("reject", json!("policy.fuel_exhausted"), 3), ("accept", Value::Null, 499)]
    {
        let sidecar = Sidecar::start(setup(&plivo, on_failure)).await;
        let to: Vec<String> = (0..500).map(|nth| format!("+1415555{nth:04}")).collect();
        let body = json!({"to": to, "text": "spin"});
        for door in ["/v1/messages", "/v1/explain"] {
            let request = sidecar.post(door).header("prefer", "respond-async").json(&body);
            let answer = request.answer().await.json();

            let messages = answer["messages"].as_array().expect("a list");
            let codes: Vec<&Value> = messages.iter().map(|each| &each["problem"]["code"]).collect();
            let not_asked = codes.iter().filter(|code| **code == "policy.not_asked").count();
            assert_eq!((codes.len(), codes[0]), (500, &first), "{door}, {on_failure}");
            assert_eq!(codes[499], "policy.not_asked", "{door}, {on_failure}");
            // Fewer on a machine so busy that the time is over before.
            assert!(500 - not_asked <= most, "{door}, {on_failure}: {not_asked} not asked");
        }
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_policy_that_may_fail_is_skipped_and_the_record_and_the_log_say_so() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, "accept")).await;
    for (misdeed, _, failure) in MISDEEDS {
        let body = sidecar.send(&says(misdeed)).await.expect(202);

        let warned = &body["warnings"][0];
        assert_eq!(warned["code"], "policy.skipped", "{misdeed}: the app is not told: {body}");
        let detail = warned["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("`runaway`") && detail.contains(failure), "{misdeed}: {detail}");
        let record = sidecar
            .get(&format!("/v1/messages/{}", body["id"].as_str().unwrap()))
            .await
            .expect(200);
        let decision = &record["decisions"][2];
        assert_eq!(
            (&decision["policy"], &decision["verdict"]),
            (&json!("runaway"), &json!("failure")),
            "{misdeed}: {record}"
        );
        assert!(decision.to_string().contains(failure), "{failure} in {decision}");
        assert_eq!(record["to"], TO, "the recipient stayed as it was");
    }
    let texts: Vec<String> = plivo.sends().into_iter().map(|send| send.text).collect();
    assert_eq!(texts, MISDEEDS.map(|(misdeed, ..)| misdeed));
    let log = sidecar.stop().await.text();
    assert_eq!(log.matches("a policy failed and was skipped").count(), MISDEEDS.len(), "{log}");
    for reason in REASONS {
        assert!(log.contains(reason), "`{reason}` is not in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_policy_that_fails_in_the_shadow_is_told_with_its_reason_and_decides_nothing() {
    let plivo = plivo().await;
    let shadow = guest("reject").set("mode", "shadow");
    let shadow = shadow.set("error_budget", json!({"failures": 3, "window_s": 60}));
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(shadow)).await;
    for misdeed in ["greedy", "panic", "undecided"] {
        sidecar.send(&says(misdeed)).await.expect(202);
    }
    let log = sidecar.stop().await.text();
    assert_eq!(log.matches("a policy in shadow mode failed\"").count(), 3, "{log}");
    for reason in ["raise `host_calls`", "panicked at ", "undecided: as the message asks"] {
        assert!(log.contains(reason), "`{reason}` is not in the log:\n{log}");
    }
    assert!(log.contains("a policy in shadow mode failed too often"), "{log}");
    assert!(!log.contains("on_failure"), "it decides nothing, whatever that says:\n{log}");
}

#[tokio::test]
async fn while_some_requests_spin_the_others_are_served() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, "reject")).await;
    let ask = |text: String| tokio::spawn(sidecar.post("/v1/messages").json(&says(&text)).answer());
    let spinning: Vec<_> = (0..8).map(|_| ask("spin".into())).collect();

    let ordinary: Vec<_> = (0..20).map(|nth| ask(format!("ordinary {nth}"))).collect();

    for answer in ordinary {
        answer.await.unwrap().expect(202);
    }
    assert_eq!(sidecar.ready().await.status, 200);
    for answer in spinning {
        answer.await.unwrap().refused(503, "policy.fuel_exhausted");
    }
    assert_eq!(plivo.sends().len(), 20);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_policies_before_the_failing_one_took_is_given_back() {
    let plivo = plivo().await;
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 3600}]});
    let setup = Setup::standard(&plivo)
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(one))
        .policy(guest("reject"));
    let sidecar = Sidecar::start(setup).await;
    for _ in 0..3 {
        sidecar.send(&says("panic")).await.refused(503, "policy.module_failed");
    }

    sidecar.send(&says("ordinary")).await.expect(202);

    sidecar.send(&says("one too many")).await.refused(429, "throttle.app");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_in_the_shadow_fails_and_refuses_without_effect() {
    let plivo = plivo().await;
    let shadow = guest("reject").set("mode", "shadow");
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(shadow)).await;
    for text in ["spin", "panic", "refuse acme.no", "amend changed"] {
        let body = sidecar.send(&says(text)).await.expect(202);

        assert_eq!(body["transformations"], json!([]), "{body}");
        let record = sidecar
            .get(&format!("/v1/messages/{}", body["id"].as_str().unwrap()))
            .await
            .expect(200);
        assert_eq!(record["decisions"][2]["enforced"], false, "{record}");
    }
    let texts: Vec<String> = plivo.sends().into_iter().map(|send| send.text).collect();
    assert_eq!(texts, ["spin", "panic", "refuse acme.no", "amend changed"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn while_a_policy_is_full_of_spinning_messages_no_other_passes_it_unasked() {
    let plivo = plivo().await;
    let sidecar = Arc::new(Sidecar::start(setup(&plivo, "accept")).await);
    let places = 8 * std::thread::available_parallelism().map_or(1, usize::from);
    let send = |text| {
        let sidecar = Arc::clone(&sidecar);
        async move { sidecar.send(&says(text)).await }
    };
    let spins: JoinSet<Answer> = (0..places + 4).map(|_| send("spin")).collect();
    tokio::task::yield_now().await;
    let others: JoinSet<Answer> = (0..4).map(|_| send("refuse acme.closed")).collect();

    let (spun, others) = tokio::join!(spins.join_all(), others.join_all());

    for answer in others {
        assert!([422, 503].contains(&answer.status), "it was let pass: {answer}");
    }
    for answer in spun {
        assert!([202, 503].contains(&answer.status), "{answer}");
    }
    assert!(texts(&plivo).iter().all(|text| text == "spin"), "{:?}", texts(&plivo));
    Arc::into_inner(sidecar).expect("nobody else has it").stop().await;
}

#[tokio::test]
async fn what_a_policy_changes_is_judged_again_and_told() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, "reject")).await;

    let amended = sidecar.send(&says("amend another text")).await.expect(202);
    for illegal in ["amend", "from nobody", "media http://127.0.0.1/a.jpg", "redirect nobody"] {
        sidecar.send(&says(illegal)).await.refused(503, "policy.illegal_transform");
    }
    let refused = sidecar.send(&says("refuse acme.closed")).await;

    assert_eq!(amended["transformations"][0]["code"], "test.amend", "{amended}");
    assert_eq!(amended["transformations"][0]["policy"], "runaway", "{amended}");
    refused.refused(422, "acme.closed");
    let texts: Vec<String> = plivo.sends().into_iter().map(|send| send.text).collect();
    assert_eq!(texts, ["another text"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn only_a_policy_that_was_granted_it_may_change_the_recipient() {
    let plivo = plivo().await;
    let granted =
        guest("reject").set("grants", json!(["state", "log", "amend", "amend-recipient"]));
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(granted)).await;

    sidecar.send(&says("redirect +14155550199")).await.expect(202);

    assert_eq!(plivo.sends()[0].dst, "14155550199");
    sidecar.stop().await;
}
