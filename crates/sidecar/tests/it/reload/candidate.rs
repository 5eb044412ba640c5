//! A candidate beside a policy in force sees every message, and nobody notices but its operator.

use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use telemetry::collector::Collector;

use super::load::{Verdicts, under_load};
use super::{
    NEVER_POLLS, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate, generation,
    marked, refusal, start_in,
};
use crate::harness::{Folder, Policy, Setup, Sidecar, TO, plivo};
use crate::tools::sendgate;

fn setup(plivo: &PlivoSim, policy: Policy) -> Setup {
    Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS).policy(policy)
}

/// A folder with one module that accepts everything and one that refuses as the text says.
fn modules() -> Folder {
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    folder.write("next.wasm", bytes_of("runaway"));
    folder
}

fn gate_with_candidate() -> Policy {
    gate("gate.wasm").set("candidate", "next.wasm").set("candidate_settings", json!({}))
}

async fn says(sidecar: &Sidecar, text: &str) -> Value {
    sidecar.send(&json!({"to": TO, "text": text})).await.expect(202)
}

/// How the first policy's candidate does.
async fn candidate(sidecar: &Sidecar) -> Value {
    sidecar.admin("/policies").await.expect(200)["policies"][0]["candidate"].clone()
}

#[tokio::test]
async fn the_policy_in_force_decides_and_each_difference_is_told_without_a_number_or_a_text() {
    let plivo = plivo().await;
    let sidecar = start_in(modules(), &setup(&plivo, gate_with_candidate())).await;
    let same = says(&sidecar, "hello").await;
    let differs = says(&sidecar, REFUSED_BY_THE_GUEST).await;
    says(&sidecar, "panic").await;

    let told = sidecar.admin("/policies/gate/differences").await.expect(200);

    assert_eq!(told["digest"], digest(&bytes_of("validation")), "{told}");
    let wanted = json!({
        "version": told["candidate"]["version"],
        "digest": digest(&bytes_of("runaway")),
        "standing": "on_trial",
        "failure": null,
        "compared": 3,
        "alike": 0,
        "promote_after": null,
        "differed": {"verdict": 2, "code": 2, "changes": 0, "notes": 0},
    });
    assert_eq!(told["candidate"], wanted, "{told}");
    assert_eq!(candidate(&sidecar).await, wanted);
    let differences = told["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{told}");
    assert_eq!(differences[0]["candidate"], json!({"verdict": "failure", "codes": ["trap"]}));
    let first = &differences[1];
    assert_eq!((&first["message"], &first["app"]), (&differs["id"], &json!("demo")), "{told}");
    assert_eq!(first["kinds"], json!(["verdict", "code"]), "{told}");
    assert_eq!(first["in_force"], json!({"verdict": "accept", "codes": []}), "{told}");
    assert_eq!(first["candidate"], json!({"verdict": "reject", "codes": ["test.asked"]}), "{told}");
    assert!(first["at"].is_string(), "{told}");
    for hidden in [&TO[1..], "panic", "refuse", "as the message asks"] {
        assert!(!told.to_string().contains(hidden), "{hidden} in {told}");
    }

    // The record has both words, and says which counted.
    let record = sidecar.get(&format!("/v1/messages/{}", same["id"].as_str().unwrap())).await;
    let decisions = record.expect(200)["decisions"].clone();
    let enforced: Vec<_> =
        decisions.as_array().unwrap().iter().map(|each| &each["enforced"]).collect();
    assert_eq!(enforced, [false, true], "{decisions}");
    let explained = sidecar.post("/v1/explain").json(&json!({"to": TO, "text": "hello"}));
    let explained = explained.answer().await.expect(200);
    assert_eq!(explained["policies"][0]["mode"], "candidate", "{explained}");

    sidecar.admin("/policies/nobody/differences").await.refused(404, "policy.not_found");
    let log = sidecar.stop().await.text();
    let line = "a candidate decides otherwise than the policy in force";
    assert_eq!(log.matches(line).count(), 1, "one line in ten seconds: {log}");
}

#[tokio::test]
async fn a_difference_is_an_event_in_the_requests_span() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let setup = setup(&plivo, gate_with_candidate())
        .set("telemetry.otlp", collector.endpoint())
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20");
    let folder = modules();
    let sidecar = Sidecar::start_in(folder, setup).await;
    says(&sidecar, REFUSED_BY_THE_GUEST).await;

    let spans = collector.wait_for(|spans| spans.iter().any(|span| span.kind == "server")).await;

    let request = spans.iter().find(|span| span.kind == "server").unwrap();
    let (_, fields) = request.events.iter().find(|(name, _)| name == "policy.difference").unwrap();
    for (name, value) in [
        ("policy.name", "gate"),
        ("difference.kinds", "verdict code"),
        ("policy.verdict", "accept"),
        ("candidate.verdict", "reject"),
        ("candidate.codes", "test.asked"),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name} in {fields:#?}");
    }
    let modes: Vec<_> = spans.iter().filter_map(|span| span.attribute("policy.mode")).collect();
    assert!(modes.contains(&"candidate") && modes.contains(&"enforce"), "{modes:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn policies_that_remember_are_tried_beside_their_own_accounts() {
    let plivo = plivo().await;
    let limit = |quota: u32| json!({"limits": [{"name": "app", "scope": "app", "quota": quota, "per_s": 3600}]});
    let throttle = Policy::new("throttle").settings(limit(4));
    let throttle = throttle
        .set("candidate", crate::harness::module("throttle").to_str().unwrap())
        .set("candidate_settings", limit(2));
    let dedup = Policy::new("dedup");
    let dedup = dedup.set("candidate", crate::harness::module("dedup").to_str().unwrap());
    let dedup = dedup.set("candidate_settings", json!({"window_s": 3_600}));
    let setup = setup(&plivo, throttle).policy(dedup);
    let sidecar = Sidecar::start(setup.durable().set("store.min_free_percent", 0)).await;

    for nth in 0..3 {
        says(&sidecar, &format!("hello {nth}")).await;
    }
    let again = sidecar.send(&json!({"to": TO, "text": "hello 0"})).await;
    again.refused(409, "dup.content");
    says(&sidecar, "hello 3").await;
    let over = sidecar.send(&json!({"to": TO, "text": "hello 4"})).await;
    over.refused(429, "throttle.app");

    let shown = sidecar.admin("/policies").await.expect(200);
    let differed = |nth: usize| shown["policies"][nth]["candidate"]["differed"]["verdict"].clone();
    // The third, the repeat and the fourth.
    assert_eq!(differed(0), 3, "{shown}");
    assert_eq!(differed(1), 0, "neither took its own message for another's: {shown}");
    assert_eq!(shown["policies"][1]["candidate"]["compared"], 5, "{shown}");
    assert_eq!(plivo.sends().len(), 4);
    sidecar.stop().await;
}

#[tokio::test]
async fn candidates_come_and_go_under_load_and_no_request_notices() {
    let plivo = plivo().await;
    let plain = setup(&plivo, gate("gate.wasm"));
    let tried = setup(&plivo, gate_with_candidate());
    let sidecar = start_in(modules(), &plain).await;
    let verdicts = Verdicts::from([(digest(&bytes_of("validation")), "accept")]);

    under_load(&sidecar, &plivo, &verdicts, async || {
        let mut generation = 1;
        for mark in 0..5 {
            configure(&sidecar, &tried);
            generation = applied(&sidecar, generation).await;
            sidecar.folder.write("next.wasm", marked("runaway", mark));
            generation = applied(&sidecar, generation).await;
            let compared = async || {
                let told = candidate(&sidecar).await;
                (told["differed"]["verdict"].as_u64()? > 3).then_some(())
            };
            crate::harness::eventually("the candidate sees the clients' messages", compared).await;
            configure(&sidecar, &plain);
            generation = applied(&sidecar, generation).await;
        }
    })
    .await;

    sidecar.admin("/policies/gate/differences").await.refused(404, "policy.no_candidate");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_candidate_that_cannot_be_loaded_is_told_with_its_own_place() {
    let plivo = plivo().await;
    let sidecar = start_in(modules(), &setup(&plivo, gate("gate.wasm"))).await;
    for (settings, wanted) in [
        (json!({"typo": 1}), "policies.gate.candidate_settings.typo: there is no such setting"),
        (json!({"problem": "no"}), "policies.gate.candidate_settings.problem: no"),
        (json!({"panic_on_configure": true}), "policies.gate.candidate: it failed in `configure`"),
    ] {
        let policy = gate_with_candidate().set("candidate_settings", settings);
        configure(&sidecar, &setup(&plivo, policy));
        let faults = refusal(&sidecar, wanted).await;
        assert_eq!(faults.len(), 1, "{faults:#?}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_candidate_that_is_what_is_in_force_is_warned_about_with_its_place() {
    let plivo = plivo().await;
    let sidecar = start_in(modules(), &setup(&plivo, gate("gate.wasm"))).await;
    let before = generation(&sidecar).await;
    let policy = gate("gate.wasm").set("candidate", "gate.wasm").set("time_ms", 9_000);
    configure(&sidecar, &setup(&plivo, policy));
    applied(&sidecar, before).await;

    let checked = sendgate(sidecar.folder.path(), &["check"]).await;
    let log = sidecar.stop().await.text();

    let warning = "policies.gate.candidate: has the bytes and the settings of `module`, so nothing is on trial";
    assert!(checked.ended(0).contains(warning), "{}", checked.out);
    let place = checked.out.lines().find(|line| line.contains(warning)).unwrap_or_default();
    assert!(place.starts_with("warning: sidecar.toml:"), "{place}");
    assert!(log.contains(warning), "{log}");
}
