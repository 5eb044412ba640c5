//! How many messages are taken: what is too much is refused, and keeps no other app out.

use plivo_sim::Step;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::text;
use crate::harness::{App, PATIENCE, Policy, Setup, Sidecar, TO, TOKEN, plivo, texts};

#[tokio::test]
async fn where_too_many_messages_wait_the_next_is_not_taken() {
    let plivo = plivo().await;
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 2, "per_s": 3600}]});
    let setup = Setup::standard(&plivo)
        .set("delivery.scheduled_max", 1)
        .policy(Policy::new("throttle").settings(one));
    let sidecar = Sidecar::start(setup).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let later = json!({"to": TO, "text": "later", "not_before": in_an_hour.to_string()});
    let id = sidecar.queue(&later).await;
    sidecar.record(&id, |record| record["status"] == "waiting").await;

    for _ in 0..3 {
        let answer = sidecar.send(&later).await;
        answer.refused(503, "spool.full");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }

    assert_eq!(plivo.requests().len(), 0);
    // Had the refused ones been charged, the limit would refuse this one; those for later take no room of its.
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn messages_for_tomorrow_keep_no_code_of_another_app_from_being_sent() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .set("delivery.queue_max", 3)
        .set("delivery.scheduled_max", 6)
        .app(App::new("bank", "token-of-bank"));
    let sidecar = Sidecar::start(setup).await;
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    for nth in 0..4 {
        let to = format!("+1415555{nth:04}");
        let later = json!({"to": to, "text": "later", "not_before": tomorrow.to_string()});
        let request = sidecar.post("/v1/messages").header("prefer", "wait=0").json(&later);
        let answer = request.answer().await;
        match nth {
            3 => answer.refused(503, "spool.full"),
            _ => answer.expect(202),
        };
    }

    let code = json!({"to": TO, "text": "code 1234", "intent": "otp"});
    let request = sidecar.post("/v1/messages").bearer("token-of-bank").json(&code);
    request.answer().await.expect(202);

    assert_eq!(texts(&plivo), ["code 1234"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn one_app_leaves_half_of_the_room_to_the_others() {
    let plivo = plivo().await;
    plivo.script(std::iter::repeat_n(Step::hold(), 3)).await;
    let setup =
        Setup::new(&plivo).set("delivery.queue_max", 4).app(App::new("bank", "token-of-bank"));
    let sidecar = Sidecar::start(setup).await;
    let ask = |token: &str, to: &str| {
        let body = json!({"to": to, "text": "hi"});
        let request = sidecar.post("/v1/messages").bearer(token).header("prefer", "wait=0");
        request.json(&body).answer()
    };
    for (nth, status) in [202, 202, 503, 503].into_iter().enumerate() {
        ask(TOKEN, &format!("+1415555{nth:04}")).await.expect(status);
    }

    ask("token-of-bank", TO).await.expect(202);

    plivo.release();
    plivo.wait_for_sends(3, PATIENCE).await.unwrap();
    sidecar.stop().await;
}

#[tokio::test]
async fn requests_that_come_at_once_take_together_no_more_than_may_be_under_way() {
    let plivo = plivo().await;
    plivo.script(std::iter::repeat_n(Step::hold(), 5)).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.queue_max", 5)).await;
    let mut asked = JoinSet::new();
    for nth in 0..40 {
        let message = json!({"to": format!("+1415555{nth:04}"), "text": "hi"});
        let request = sidecar.post("/v1/messages").header("prefer", "wait=0").json(&message);
        asked.spawn(request.answer());
    }

    let answers = asked.join_all().await;

    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!(taken.len(), 5, "of 40, of which {} were refused", refused.len());
    for answer in &refused {
        answer.refused(503, "spool.full");
    }
    plivo.release();
    for answer in &taken {
        sidecar.in_status(&text(&answer.json(), "id"), "submitted").await;
    }
    sidecar.send(&json!({"to": TO, "text": "there is room again"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn of_a_list_longer_than_may_be_under_way_the_rest_is_refused_and_the_key_holds_all_of_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.queue_max", 4)).await;
    let to: Vec<String> = (0..6).map(|nth| format!("+1415555{nth:04}")).collect();
    let body = json!({"to": to, "text": "hi"});
    let ask = || sidecar.post("/v1/messages").key("k1").json(&body).answer();

    let first = ask().await;

    let answered = first.expect(202)["messages"].clone();
    let (taken, refused): (Vec<&Value>, Vec<&Value>) = answered
        .as_array()
        .expect("a list")
        .iter()
        .partition(|message| message["status"] != "refused");
    assert_eq!((taken.len(), refused.len()), (4, 2), "{first}");
    for message in refused {
        assert_eq!(message["problem"]["code"], "spool.full", "{first}");
    }
    let mut asked: Vec<&str> = taken.iter().filter_map(|message| message["to"].as_str()).collect();
    asked.sort_unstable();
    let mut handsets: Vec<String> =
        plivo.sends().into_iter().map(|send| format!("+{}", send.dst)).collect();
    handsets.sort();
    assert_eq!(handsets, asked);
    let again = ask().await;
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&first.text, Some("true")));
    assert_eq!(plivo.sends().len(), 4);
    sidecar.send(&json!({"to": TO, "text": "there is room again"})).await.expect(202);
    sidecar.stop().await;
}
