//! What a poller and a search for lost messages see: states, the list's delay, and counts.

use std::time::Duration;

use plivo_sim::{PlivoSim, SimConfig, State};
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::wire::{MESSAGES, SMS, call, send};

async fn uuid(sim: &PlivoSim, body: &str) -> String {
    send(sim, body).await.json()["message_uuid"][0].as_str().unwrap().to_owned()
}

async fn listed(sim: &PlivoSim, query: &str) -> Value {
    call(sim, "GET", &format!("{MESSAGES}?{query}"), "").await.json()
}

#[tokio::test]
async fn a_message_moves_when_told_and_nobody_hears_of_it() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let uuid = uuid(&sim, SMS).await;
    for (query, state, code) in [
        ("status=sent", "sent", Value::Null),
        ("status=undelivered&error_code=20", "undelivered", json!("20")),
        ("status=delivered", "delivered", json!("000")),
    ] {
        let answer = call(&sim, "PUT", &format!("/_sim/state?id={uuid}&{query}"), "").await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let details = call(&sim, "GET", &format!("{MESSAGES}{uuid}/"), "").await.json();
        assert_eq!((&details["message_state"], &details["error_code"]), (&json!(state), &code));
        assert_eq!(listed(&sim, "").await["objects"][0]["message_state"], state);
    }
    assert_eq!(sim.sends()[0].sequence, 0, "a change is no report");
    for (query, status) in [
        ("id=nobody&status=sent".to_owned(), 404),
        (format!("id={uuid}&status=gone"), 400),
        (format!("id={uuid}&status=sent&copies=2"), 400),
    ] {
        let answer = call(&sim, "PUT", &format!("/_sim/state?{query}"), "").await;
        assert_eq!(answer.status, status, "{query}");
    }
    assert!(
        sim.change(&uuid, State::Failed, Some("40")) && !sim.change("nobody", State::Sent, None)
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_lost_message_is_found_by_recipient_sender_and_time() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let wanted = uuid(&sim, SMS).await;
    uuid(&sim, r#"{"src":"+14155551212","dst":"+14155550199","text":"hi"}"#).await;
    uuid(&sim, r#"{"src":"+14155551299","dst":"+14155550123","text":"hi"}"#).await;
    let pooled =
        uuid(&sim, r#"{"powerpack_uuid":"86bbb125-97bb","dst":"+14155550123","text":"hi"}"#).await;
    let since = "message_time__gte=2000-01-01%2000%3A00%3A00.000000&limit=20&offset=0";
    for (query, found) in [
        ("to_number=14155550123&from_number=14155551212", &wanted),
        ("to_number=14155550123&powerpack_id=86bbb125-97bb", &pooled),
    ] {
        let page = listed(&sim, &format!("{query}&{since}")).await;
        assert_eq!(page["meta"]["total_count"], 1, "{query}: {page}");
        assert_eq!(page["objects"][0]["message_uuid"], **found, "{query}");
    }
    let future = listed(&sim, "to_number=14155550123&message_time__gte=2999-01-01%2000:00").await;
    assert_eq!(future["meta"]["total_count"], 0);
    let second = listed(&sim, "to_number=14155550123&limit=1&offset=1").await;
    assert_eq!(second["meta"]["total_count"], 3);
    assert_eq!(second["objects"].as_array().unwrap().len(), 1);
    sim.stop().await;
}

#[tokio::test]
async fn the_list_can_lag_while_details_do_not() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    assert_eq!(call(&sim, "PUT", "/_sim/list_delay", r#"{"ms":600000}"#).await.status, 200);
    let uuid = uuid(&sim, SMS).await;
    assert_eq!(listed(&sim, "").await["meta"]["total_count"], 0);
    assert_eq!(call(&sim, "GET", &format!("{MESSAGES}{uuid}/"), "").await.status, 200);

    sim.set_list_delay(Duration::from_millis(1));

    let appears = async {
        while listed(&sim, "").await["meta"]["total_count"] == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, appears).await.expect("it never appeared");
    for body in [r#"{"ms":600001}"#, r#"{"s":1}"#, "5"] {
        assert_eq!(call(&sim, "PUT", "/_sim/list_delay", body).await.status, 400, "{body}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn plivos_clock_stamps_answers_and_messages_and_is_what_the_list_goes_by() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let clock = r#"{"ahead_ms":-864000000}"#;
    assert_eq!(call(&sim, "PUT", "/_sim/clock", clock).await.status, 200);
    let (day, now) = (jiff::SignedDuration::from_hours(24), jiff::Timestamp::now());
    let date = |days: i32| (now - day * days).strftime("%a, %d %b %Y").to_string().to_lowercase();

    let answer = send(&sim, SMS).await;

    // Midnight may come between.
    let head = &answer.head;
    assert!([10, 9].iter().any(|days| head.contains(&format!("date: {}", date(*days)))), "{head}");
    for (days, count) in [(11, 1), (9, 0)] {
        let since = (now - day * days).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let query = format!("message_time__gte={}", since.replace(' ', "%20"));
        assert_eq!(listed(&sim, &query).await["meta"]["total_count"], count, "{days} days");
    }
    for body in [r#"{"ahead_ms":9223372036854775807}"#, "{}", "5"] {
        assert_eq!(call(&sim, "PUT", "/_sim/clock", body).await.status, 400, "{body}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn messages_that_are_alike_are_counted() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let sms = |dst: &str, text: &str| {
        json!({"src": "+14155551212", "dst": dst, "text": text}).to_string()
    };
    for (dst, text) in [
        ("+14155550123", "one"),
        ("+14155550123", "two"),
        ("+14155550124", "two"),
        ("+14155550124", "two"),
    ] {
        uuid(&sim, &sms(dst, text)).await;
    }
    let count =
        async |query: &str| call(&sim, "GET", &format!("/_sim/sends/count{query}"), "").await;

    let by_text = count("?by=text").await.json();
    let groups = json!([{"text": "two", "count": 3}, {"text": "one", "count": 1}]);
    assert_eq!(
        by_text,
        json!({"sends": 4, "forgotten": 0, "distinct": 2, "most": 3, "groups": groups})
    );
    let twice = count("?by=text,dst&least=2").await.json();
    assert_eq!(twice["groups"], json!([{"text": "two", "dst": "14155550124", "count": 2}]));
    assert_eq!((&twice["distinct"], &twice["most"]), (&json!(3), &json!(2)));
    assert_eq!(count("").await.json()["groups"], json!([{"count": 4}]));
    for query in ["?by=colour", "?by=text&least=x", "?of=text"] {
        assert_eq!(count(query).await.status, 400, "{query}");
    }
    sim.stop().await;
}
