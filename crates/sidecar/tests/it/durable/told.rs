//! What an app was told, it finds: answers may go out before the commit that they are about.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::database;
use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn whoever_was_told_that_a_message_is_at_plivo_finds_it_there_at_once_by_either_id() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    for nth in 0..30 {
        let told = sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await.expect(202);
        for id in [&told["id"], &told["message_uuid"]] {
            let found = sidecar.get(&format!("/v1/messages/{}", id.as_str().unwrap())).await;
            let record = found.expect(200);
            assert_eq!(
                (&record["status"], &record["message_uuid"]),
                (&json!("submitted"), &told["message_uuid"]),
                "{nth}, by {id}: {record}"
            );
        }
        let listed = sidecar.get("/v1/messages?limit=1").await.expect(200);
        assert_eq!(listed["messages"][0]["status"], "submitted", "{nth}: {listed}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn an_unchanged_sdk_that_creates_and_then_gets_finds_its_message() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    for nth in 0..30 {
        let body = json!({"src": "14155551212", "dst": "14155550123", "text": format!("n{nth}")});
        let told = sidecar.post("/v1/Account/demo/Message/").json(&body).answer().await;
        let uuid = told.expect(202)["message_uuid"][0].as_str().unwrap().to_owned();
        let path = format!("/v1/Account/demo/Message/{uuid}/");
        let found = sidecar.request("GET", &path).answer().await.expect(200);
        assert_eq!(found["message_uuid"], uuid.as_str(), "{nth}: {found}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_coalesced_repeat_tells_what_the_first_was_told() {
    let plivo = plivo().await;
    let dedup = Policy::new("dedup").settings(json!({"mode": "coalesce"}));
    let sidecar = Sidecar::start(Setup::new(&plivo).durable().policy(dedup)).await;
    for nth in 0..10 {
        let request = json!({"to": TO, "text": format!("n{nth}")});
        let first = sidecar.send(&request).await.expect(202);
        let again = sidecar.send(&request).await.expect(202);
        assert_eq!(again["id"], first["id"], "{again}");
        assert_eq!(again["status"], first["status"], "{nth}: {again}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_key_whose_answer_tells_of_an_earlier_message_lasts_as_long_as_that_ones_own() {
    let plivo = plivo().await;
    let dedup = Policy::new("dedup").settings(json!({"mode": "coalesce"}));
    let sidecar = Sidecar::start(Setup::standard(&plivo).durable().policy(dedup)).await;
    let in_six_days = (jiff::Timestamp::now() + Duration::from_secs(6 * 86_400)).to_string();
    let put_off = json!({"to": TO, "text": "week", "not_before": in_six_days});
    let both = json!({"to": [TO, "+14155550124"], "text": "week"});
    for (key, body) in [("own", &put_off), ("single", &put_off), ("list", &both)] {
        let answer = sidecar.post("/v1/messages").key(key).json(body).answer().await;
        answer.expect(202);
    }
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;

    let database = database(&folder);
    let ends = |key: &str| -> i64 {
        let sql = "SELECT ends FROM idempotency_keys WHERE key = ?";
        database.query_row(sql, [key], |row| row.get(0)).unwrap()
    };

    for key in ["single", "list"] {
        let sooner = ends("own") - ends(key);
        assert!(sooner.abs() < 60_000, "{key} ends {sooner} ms sooner");
    }
}
