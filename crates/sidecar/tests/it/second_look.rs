//! Policies that want it are asked again before a call that comes late: what was right when a message was accepted need
//! not be right any more.

mod logged;
mod waited_for;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use plivo_sim::{Outage, PlivoSim, Step};
use serde_json::{Value, json};
use telemetry::collector::Collector;

use crate::harness::{
    Answer, App, Folder, Policy, SENDER, Setup, Sidecar, TO, TOKEN, eventually, plivo, posts, texts,
};
use crate::reload::applied;

const OTHER: &str = "+14155550124";
const OPERATOR: &str = "token-of-the-operator";

fn consenting(plivo: &PlivoSim) -> Setup {
    let mine = App::new("demo", TOKEN).set("senders", json!([SENDER]));
    Setup::new(plivo).app(mine).policy(Policy::new("consent"))
}

/// A guest that does `request` about the text `hello`, and whose failures mean this.
fn on_hello(request: Option<&str>, on_failure: &str) -> Policy {
    let on_text = request.map_or(json!({}), |request| json!({"hello": request}));
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    guest.set("on_failure", on_failure).settings(json!({"on_text": on_text}))
}

/// A breaker that opens at the first failure, for so long.
fn opening(setup: Setup, open_s: u64) -> Setup {
    let breaker = json!({"failures": 1, "open_s": open_s, "open_max_s": open_s});
    setup.set("delivery.breaker", breaker)
}

async fn says(sidecar: &Sidecar, from: &str, text: &str) {
    let said = json!({"from": from, "to": SENDER, "text": text});
    sidecar.post("/v1/inbound").json(&said).answer().await.expect(200);
}

/// Late enough that a decision of now is too old by then.
fn soon() -> String {
    (Timestamp::now() + SignedDuration::from_secs(12)).to_string()
}

async fn keyed(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    let request = sidecar.post("/v1/messages").header("prefer", "respond-async");
    request.key(key).json(body).answer().await
}

/// What the app was told of this message so far: its states, each with its code.
async fn told(sidecar: &Sidecar, id: &Value) -> Vec<(Value, Value)> {
    let events = sidecar.get("/v1/events").await.expect(200)["events"].clone();
    let own = events.as_array().expect("a list").iter().filter(|event| event["subject"] == *id);
    own.map(|event| (event["data"]["status"].clone(), event["data"]["error_code"].clone()))
        .collect()
}

/// A sidecar that has found out that Plivo is away, by a message to nobody else.
async fn held_back(plivo: &PlivoSim, setup: Setup) -> Sidecar {
    plivo.fail(Outage::Refuse).await;
    let sidecar = Sidecar::start(setup).await;
    sidecar.queue(&json!({"to": "+14155550199", "text": "finds out"})).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    sidecar
}

/// Accepts `message` while Plivo is away, and is killed before it can be called for.
async fn left_behind(plivo: &PlivoSim, setup: Setup, message: &Value) -> (String, Arc<Folder>) {
    let sidecar = held_back(plivo, opening(setup.durable(), 3)).await;
    let id = sidecar.queue(message).await;
    sidecar.in_status(&id, "waiting").await;
    let folder = sidecar.kill().await;
    plivo.restore().await;
    (id, folder)
}

#[tokio::test]
async fn what_was_put_off_is_not_sent_to_whom_said_stop_meanwhile_and_its_app_and_key_hear_so() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(consenting(&plivo)).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["policies"][0]["asked_again"], true, "{listed}");
    let at = soon();
    let message = json!({"to": TO, "text": "hi", "not_before": at});
    let stopped = keyed(&sidecar, "k1", &message).await.expect(202)["id"].clone();
    let other = sidecar.queue(&json!({"to": OTHER, "text": "ho", "not_before": at})).await;

    says(&sidecar, TO, "STOP").await;
    // The reservation for the confirmation is this message's own.
    let confirmation = json!({
        "to": TO, "text": "you get no more", "intent": "optout_confirmation", "not_before": soon(),
    });
    let confirmation = sidecar.queue(&confirmation).await;

    let record = sidecar.in_status(stopped.as_str().unwrap(), "failed").await;
    assert_eq!(record["error_code"], "optout.suppressed", "{record}");
    assert_eq!(record["attempts"], json!([]), "{record}");
    assert_eq!(told(&sidecar, &stopped).await, [(json!("failed"), json!("optout.suppressed"))]);
    for id in [&other, &confirmation] {
        sidecar.in_status(id, "submitted").await;
    }
    let mut sent = texts(&plivo);
    sent.sort();
    assert_eq!(sent, ["ho", "you get no more"]);
    keyed(&sidecar, "k1", &message).await.refused(403, "optout.suppressed");
    says(&sidecar, TO, "START").await;
    let again = keyed(&sidecar, "k1", &json!({"to": TO, "text": "again"})).await;
    assert_ne!(again.expect(202)["id"], stopped, "{again}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_an_outage_held_back_is_not_sent_to_whom_said_stop_meanwhile() {
    let plivo = plivo().await;
    let setup = opening(consenting(&plivo), 16).set("delivery.wait_ms", 60_000);
    let sidecar = held_back(&plivo, setup).await;
    let stopped = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    let other = sidecar.queue(&json!({"to": OTHER, "text": "ho"})).await;
    let waited_for = sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hey"}));
    let waited_for = tokio::spawn(waited_for.answer());
    let waits = async || (sidecar.ready().await.json()["waiting"] == 4).then_some(());
    eventually("all wait", waits).await;

    says(&sidecar, TO, "STOP").await;
    plivo.restore().await;

    let record = sidecar.in_status(&stopped, "failed").await;
    assert_eq!(record["error_code"], "optout.suppressed", "{record}");
    sidecar.in_status(&other, "submitted").await;
    // Whoever waits for the answer is told as if it had been refused at once.
    let refused = waited_for.await.unwrap().refused(403, "optout.suppressed");
    assert_eq!(refused["policy"]["name"], "consent", "{refused}");
    let sent = texts(&plivo);
    assert!(!sent.contains(&"hi".to_owned()) && !sent.contains(&"hey".to_owned()), "{sent:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn after_a_restart_policies_are_asked_before_the_call() {
    let plivo = plivo().await;
    let setup = opening(consenting(&plivo).durable(), 300);
    let sidecar = held_back(&plivo, setup.clone()).await;
    let stopped = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    let other = sidecar.queue(&json!({"to": OTHER, "text": "ho"})).await;
    says(&sidecar, TO, "STOP").await;
    let folder = sidecar.kill().await;
    plivo.restore().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&stopped, "failed").await;
    assert_eq!(record["error_code"], "optout.suppressed", "{record}");
    sidecar.in_status(&other, "submitted").await;
    assert!(!texts(&plivo).contains(&"hi".to_owned()));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_that_cannot_decide_then_holds_the_message_back_or_lets_it_go_as_its_operator_says()
 {
    let plivo = plivo().await;
    let under = |request: Option<&str>, on_failure: &str| {
        Setup::new(&plivo)
            .set("reload.poll_ms", 100)
            .policy(on_hello(request, on_failure))
            .durable()
    };
    let message = json!({"to": TO, "text": "hello"});
    for misdeed in ["undecided", "panic"] {
        let (id, folder) = left_behind(&plivo, under(None, "accept"), &message).await;
        let sidecar = Sidecar::start_in(folder, under(Some(misdeed), "accept")).await;
        sidecar.in_status(&id, "submitted").await;
        sidecar.stop().await;
    }

    let sent = posts(&plivo).len();
    let (id, folder) = left_behind(&plivo, under(None, "reject"), &message).await;
    let sidecar = Sidecar::start_in(folder, under(Some("undecided"), "reject")).await;
    let waits = |record: &Value| record["error_code"] == "policy.module_failed";
    let record = sidecar.record(&id, waits).await;
    assert_eq!(record["status"], "waiting", "{record}");
    sidecar.folder.write("sidecar.toml", under(None, "reject").to_toml());
    applied(&sidecar, 1).await;
    sidecar.in_status(&id, "submitted").await;
    assert!(posts(&plivo).len() > sent);
    sidecar.stop().await;

    let short = json!({"to": OTHER, "text": "hello", "ttl_s": 12});
    let (id, folder) = left_behind(&plivo, under(None, "reject"), &short).await;
    let sidecar = Sidecar::start_in(folder, under(Some("undecided"), "reject")).await;
    let record = sidecar.in_status(&id, "expired").await;
    assert_eq!(record["error_code"], "send.expired", "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_that_puts_it_off_then_is_waited_for_and_asked_once_more() {
    let plivo = plivo().await;
    let under = |request: Option<&str>| {
        Setup::new(&plivo).set("reload.poll_ms", 100).policy(on_hello(request, "reject")).durable()
    };
    let message = json!({"to": TO, "text": "hello"});
    let (id, folder) = left_behind(&plivo, under(None), &message).await;
    let sidecar = Sidecar::start_in(folder, under(Some("later 2000"))).await;
    let record = sidecar.record(&id, |record| record["error_code"] == "test.later").await;
    assert_eq!(record["status"], "waiting", "{record}");
    let shown = sidecar.admin(&format!("/messages/{id}")).await.expect(200);
    let waits_for = shown["waits_for"].as_str().unwrap();
    let until = shown["next_try"].as_str().unwrap();
    assert_eq!(waits_for, format!("a policy that put it off (test.later): {until}"));
    sidecar.folder.write("sidecar.toml", under(None).to_toml());
    applied(&sidecar, 1).await;
    sidecar.in_status(&id, "submitted").await;
    sidecar.stop().await;

    // What else it would change was cleared once, and goes as it was.
    let (id, folder) = left_behind(&plivo, under(None), &message).await;
    let sidecar = Sidecar::start_in(folder, under(Some("amend another text"))).await;
    sidecar.in_status(&id, "submitted").await;
    // The one that found out goes when it may.
    let mut sent = texts(&plivo).into_iter().filter(|text| text != "finds out");
    assert_eq!(sent.next_back().as_deref(), Some("hello"));
    sidecar.stop().await;

    let (id, folder) = left_behind(&plivo, under(None), &message).await;
    let sidecar = Sidecar::start_in(folder, under(Some("later 86400000"))).await;
    let record = sidecar.in_status(&id, "expired").await;
    assert_eq!(record["error_code"], "send.expired", "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_that_refuses_by_a_word_of_ours_is_told_by_another() {
    let plivo = plivo().await;
    let under = |request: Option<&str>| Setup::new(&plivo).policy(on_hello(request, "reject"));
    let message = json!({"to": TO, "text": "hello"});
    let (id, folder) = left_behind(&plivo, under(None), &message).await;

    let setup = under(Some("refuse send.unresolved")).durable();
    let sidecar = Sidecar::start_in(folder, setup).await;

    let record = sidecar.in_status(&id, "failed").await;
    assert_eq!(record["error_code"], "policy.refused", "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_that_goes_at_once_is_asked_about_once_and_a_late_one_twice() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(on_hello(None, "reject"))).await;
    let late = json!({"to": OTHER, "text": "log late-one", "not_before": soon()});
    let late = sidecar.queue(&late).await;
    // Turned away for a second, and not late for that.
    plivo.script([Step::status(429).with_header("retry-after", "1")]).await;
    let at_once = sidecar.queue(&json!({"to": TO, "text": "log at-once"})).await;
    for id in [&at_once, &late] {
        sidecar.in_status(id, "submitted").await;
    }
    let log = sidecar.stop().await.text();
    let asked = |line: &str| log.lines().filter(|each| each.contains(line)).count();
    assert_eq!((asked("at-once"), asked("late-one")), (1, 2), "{log}");
}

#[tokio::test]
async fn in_doubt_it_is_no_policys_to_end_and_once_a_person_releases_it_it_is_asked_about() {
    let plivo = plivo().await;
    plivo.script([Step::status(500)]).await;
    let setup = consenting(&plivo).set("listen.admin_token", OPERATOR);
    let setup = setup.set("delivery.settle_s", json!([600]));
    let breaker = json!({"failures": 1_000, "min_calls": 100_000});
    let sidecar = Sidecar::start(setup.set("delivery.breaker", breaker)).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    says(&sidecar, TO, "STOP").await;
    sidecar.in_status(&id, "in_doubt").await;

    sidecar.operate(&format!("/messages/{id}/release"), OPERATOR).await.expect(200);

    let record = sidecar.in_status(&id, "failed").await;
    // Its first call may have sent it, so nobody may say that it was not.
    assert_eq!(record["error_code"], "send.unresolved", "{record}");
    assert_eq!(posts(&plivo).len(), 1, "{record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_second_look_is_a_trace_of_its_own_that_links_to_the_request() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let setup = consenting(&plivo)
        .set("telemetry.otlp", collector.endpoint())
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20");
    let sidecar = Sidecar::start(setup).await;
    let request = sidecar.post("/v1/messages").header("prefer", "respond-async");
    let body = json!({"to": TO, "text": "hi", "not_before": soon()});
    let answer = request.json(&body).answer().await;
    let trace = answer.header("sendgate-trace-id").expect("a trace").to_owned();
    says(&sidecar, TO, "STOP").await;
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    sidecar.in_status(&id, "failed").await;

    let is_look = |name: &str| name == "delivery.second_look";
    let spans = collector.wait_for(|spans| spans.iter().any(|span| is_look(&span.name))).await;

    let look = spans.iter().find(|span| is_look(&span.name)).expect("it came");
    assert_eq!(look.links.iter().map(|link| &link.0).collect::<Vec<_>>(), [&trace], "{look:#?}");
    for (name, value) in [
        ("sendgate.message.id", &*id),
        ("sendgate.verdict", "reject"),
        ("sendgate.code", "optout.suppressed"),
    ] {
        assert_eq!(look.attribute(name), Some(value), "{name} in {look:#?}");
    }
    let below = spans.iter().find(|span| span.parent_id.as_ref() == Some(&look.span_id));
    let check = below.expect("the policy's own");
    assert_eq!(check.attribute("policy.name"), Some("consent"), "{check:#?}");
    assert_eq!(check.attribute("policy.dry_run"), Some("true"), "{check:#?}");
    assert!(posts(&plivo).is_empty());
    sidecar.stop().await;
}
