//! The decision log tells why a message that was accepted ended unsent, or waits on.

use std::fs;

use serde_json::{Value, json};

use super::{consenting, keyed, on_hello, says, soon};
use crate::harness::{Folder, Setup, Sidecar, TO, eventually, plivo};
use crate::reload::applied;
use crate::tools::sendgate;

const REPLAY: [&str; 4] = ["replay", "d.jsonl", "--config", "sidecar.toml"];

fn logged(setup: Setup) -> Setup {
    let key = "a-key-of-hashes-that-is-long-enough";
    setup.set("decisions.path", "d.jsonl").set("store.hash_key", key)
}

/// The lines of this kind.
fn lines(folder: &Folder, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.path().join("d.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get(kind).cloned()).collect()
}

#[tokio::test]
async fn a_late_refusal_is_in_the_decision_log_with_what_it_rests_on_and_is_replayed() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(logged(consenting(&plivo))).await;
    let body = json!({"to": TO, "text": "rendezvous at five", "not_before": soon()});
    let id = keyed(&sidecar, "k1", &body).await.expect(202)["id"].clone();
    says(&sidecar, TO, "STOP").await;
    sidecar.in_status(id.as_str().unwrap(), "failed").await;
    let folder = sidecar.folder.clone();
    let written =
        async || (sidecar.ready().await.json()["decisions"]["written"] == 2).then_some(());
    eventually("both are written", written).await;

    let looks = lines(&folder, "second_look");
    let [look] = looks.as_slice() else { panic!("{looks:#?}") };
    assert_eq!((&look["id"], &look["app"]), (&id, &json!("demo")), "{look:#}");
    let end = json!({"verdict": "reject", "policy": "consent", "code": "optout.suppressed"});
    assert_eq!((&look["end"], &look["generation"]), (&end, &json!(1)), "{look:#}");
    let visit = &look["visits"][0];
    assert!(visit["digest"].is_string() && visit["calls"].is_array(), "{look:#}");
    assert!(!look.to_string().contains("rendezvous"), "{look:#}");
    assert_eq!(lines(&folder, "decision").len(), 1);
    sidecar.stop().await;

    let said = sendgate(folder.path(), &REPLAY).await;
    let said = said.ended(0);
    assert!(said.contains("2 decisions of 1 log: 2 decided again, none would change"), "{said}");
    assert!(said.contains("second looks: 1 decision"), "{said}");
}

#[tokio::test]
async fn what_was_put_off_and_a_failure_are_logged_and_a_failure_once_until_it_is_decided() {
    let plivo = plivo().await;
    let under = |request: Option<&str>| {
        let setup = Setup::new(&plivo).set("reload.poll_ms", 100);
        logged(setup.policy(on_hello(request, "reject")))
    };
    let sidecar = Sidecar::start(under(None)).await;
    let body = json!({"to": TO, "text": "hello", "not_before": soon()});
    let id = keyed(&sidecar, "k1", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    for (nth, (request, code)) in
        [("undecided", "policy.module_failed"), ("later 3000", "test.later")]
            .into_iter()
            .enumerate()
    {
        sidecar.folder.write("sidecar.toml", under(Some(request)).to_toml());
        applied(&sidecar, nth as u64 + 1).await;
        sidecar.record(&id, |record| record["error_code"] == code).await;
    }
    sidecar.folder.write("sidecar.toml", under(None).to_toml());
    applied(&sidecar, 3).await;
    sidecar.in_status(&id, "submitted").await;
    let folder = sidecar.folder.clone();
    sidecar.stop().await;

    let looks = lines(&folder, "second_look");
    let ends: Vec<_> =
        looks.iter().map(|look| (&look["end"]["verdict"], &look["end"]["code"])).collect();
    assert_eq!(ends[0], (&json!("failure"), &json!("undecided")), "{looks:#?}");
    assert!(
        ends[1..].iter().all(|end| *end == (&json!("amend"), &json!("test.later"))),
        "{looks:#?}"
    );
    assert!(ends.len() > 1 && looks[1]["end"]["until_ms"].is_u64(), "{looks:#?}");
}
