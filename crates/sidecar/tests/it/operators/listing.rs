//! Looking messages up, over all apps.

use plivo_sim::{Outage, Step};
use serde_json::{Value, json};
use store::Status;

use super::{Left, durable, ephemeral, ids, leave, look, operator};
use crate::harness::{App, Folder, Policy, SENDER, Sidecar, TO, eventually, plivo};

const ANOTHER: &str = "+14155550199";

#[tokio::test]
async fn messages_of_all_apps_are_filtered_and_paged() {
    let plivo = plivo().await;
    plivo.script([Step::status(200).queued(), Step::status(400)]).await;
    let other = App::new("billing", "token-of-the-app-billing");
    let sidecar = Sidecar::start(ephemeral(&plivo).app(other)).await;
    let mut sent = Vec::new();
    for (token, to) in [
        (crate::harness::TOKEN, TO),
        (crate::harness::TOKEN, ANOTHER),
        ("token-of-the-app-billing", TO),
    ] {
        let body = json!({"to": to, "text": "swordfish"});
        sidecar.post("/v1/messages").bearer(token).json(&body).answer().await;
        // The refused one has an id too, which the list tells.
        let newest = look(&sidecar, "/messages?limit=1").await.expect(200);
        sent.push(ids(&newest)[0].to_owned());
    }
    let [first, refused, billing] = [&sent[0], &sent[1], &sent[2]].map(String::as_str);

    for (query, wanted) in [
        ("", &[billing, refused, first][..]),
        ("?app=billing", &[billing][..]),
        ("?app=demo", &[refused, first][..]),
        ("?app=nobody", &[][..]),
        ("?status=failed", &[refused][..]),
        ("?to=%2B14155550123", &[billing, first][..]),
        ("?to=+14155550199", &[refused][..]),
        ("?to=%2B14155550123&app=demo", &[first][..]),
        ("?limit=2", &[billing, refused][..]),
        (&format!("?after={refused}"), &[first][..]),
    ] {
        let list = look(&sidecar, &format!("/messages{query}")).await.expect(200);
        assert_eq!(ids(&list), wanted, "{query}: {list:#}");
    }
    let page = look(&sidecar, "/messages?limit=2").await.expect(200);
    assert_eq!(page["next"], refused);
    for query in [
        "?status=lost",
        "?limit=101",
        "?after=nothing",
        "?to=4155550123",
        "?fast=yes",
        "?limit=1&limit=1",
    ] {
        look(&sidecar, &format!("/messages{query}")).await.refused(400, "query.invalid");
    }
}

#[tokio::test]
async fn numbers_are_whole_for_those_with_the_token_only() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let tags = json!({"call": &ANOTHER[1..], "order": "tag-of-the-app"});
    let sent = sidecar.send(&json!({"to": TO, "text": "swordfish", "tags": tags})).await;
    let one = format!("/messages/{}", sent.expect(202)["id"].as_str().unwrap());
    for path in ["/messages", &one] {
        let shown = look(&sidecar, path).await.expect(200).to_string();
        for hidden in [&TO[1..], &SENDER[1..], &ANOTHER[1..], "swordfish", "tag-of-the-app"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        assert!(shown.contains("+1415•••0123"), "{shown}");
        let full = format!("{path}?numbers=full");
        look(&sidecar, &full).await.refused(401, "auth.missing");
        let shown = operator(&sidecar, &format!("GET {full}")).await.expect(200).to_string();
        assert!(shown.contains(TO) && shown.contains(SENDER), "{shown}");
    }
    let whole = operator(&sidecar, &format!("GET {one}?numbers=full")).await.expect(200);
    assert_eq!(whole["tags"], tags, "{whole:#}");
}

#[tokio::test]
async fn a_message_is_shown_with_its_calls_decisions_events_and_the_breaker() {
    let plivo = plivo().await;
    let setup = ephemeral(&plivo).policy(Policy::new("validation"));
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.send(&json!({"to": TO, "text": "swordfish"})).await.expect(202)["id"].clone();
    let id = id.as_str().unwrap();
    sidecar.record(id, |record| record["status"] == "submitted").await;

    let shown = look(&sidecar, &format!("/messages/{id}")).await.expect(200);

    let states: Vec<&Value> =
        shown["events"].as_array().unwrap().iter().map(|event| &event["state"]).collect();
    let attempt = &shown["attempts"][0];
    assert_eq!(
        json!({
            "app": shown["app"], "status": shown["status"], "attempt": attempt["outcome"], "http": attempt["http_status"],
            "policy": shown["decisions"][0]["policy"], "events": states,
            "breaker": shown["plivo"]["breaker"],
        }),
        json!({
            "app": "demo", "status": "submitted", "attempt": "accepted", "http": 202, "policy": "validation",
            "events": ["submitted"], "breaker": "closed",
        }),
        "{shown:#}"
    );
    assert!(shown["waits_for"].as_str().unwrap().starts_with("a delivery report"), "{shown:#}");
    look(&sidecar, "/messages/gone").await.refused(404, "message.not_found");
}

#[tokio::test]
async fn readiness_tells_what_is_held_and_in_doubt_and_how_old_the_oldest_is() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let left = [
        Left::new("held-1", Status::Held),
        Left::new("held-2", Status::Held),
        Left::new("doubt", Status::InDoubt),
    ];
    leave(&folder, &left).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;
    let counted = async || {
        let ready = sidecar.ready().await.expect(200);
        (!ready["held"].is_null()).then_some(ready)
    };
    let ready = eventually("what waits is counted", counted).await;
    assert_eq!((&ready["held"], &ready["in_doubt"]), (&json!(2), &json!(1)), "{ready:#}");
    assert_eq!((&ready["oldest_waiting_s"], &ready["store"]), (&Value::Null, &json!("durable")));
}

#[tokio::test]
async fn readiness_tells_that_nothing_is_kept_and_how_long_something_waits() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let body = json!({"to": TO, "text": "hi", "not_before": in_an_hour.to_string()});
    let request = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&body);
    request.answer().await.expect(202);
    let counted = async || {
        let ready = sidecar.ready().await.expect(200);
        (!ready["held"].is_null()).then_some(ready)
    };
    let ready = eventually("what waits is counted", counted).await;
    assert_eq!(ready["waiting"], 1, "{ready:#}");
    assert_eq!(ready["oldest_waiting_s"], Value::Null, "it is not due: {ready:#}");
    plivo.fail(Outage::Refuse).await;
    sidecar.queue(&json!({"to": TO, "text": "due"})).await;
    let counted = async || {
        let ready = sidecar.ready().await.json();
        ready["oldest_waiting_s"].as_u64().map(|_| ready)
    };
    let ready = eventually("the oldest that waits is found", counted).await;
    assert_eq!((&ready["held"], &ready["in_doubt"]), (&json!(0), &json!(0)), "{ready:#}");
    assert!(ready["store"].as_str().unwrap().starts_with("ephemeral"), "{ready:#}");
}

#[tokio::test]
async fn a_parameter_that_is_not_known_is_refused_by_name_but_of_probes() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let dashboards = ["/", "/dashboard/state", "/dashboard/events", "/dashboard/page.js"];
    let dashboards = dashboards.into_iter().filter(|_| cfg!(feature = "dashboard"));
    let paths =
        ["/policies", "/policies/country/differences", "/inbound", "/openapi.json", "/events/dead"];
    for path in paths.into_iter().chain(dashboards) {
        for method in ["GET", "HEAD"] {
            let told = operator(&sidecar, &format!("{method} {path}?cached=0")).await;
            assert_eq!(told.status, 400, "{method} {path}: {told:?}");
        }
        let told = operator(&sidecar, &format!("GET {path}?cached=0")).await;
        let sentence = told.refused(400, "query.invalid").body["error"].to_string();
        assert!(sentence.contains("`cached` means nothing here"), "{path}: {sentence}");
    }
    for path in ["/livez", "/startupz", "/readyz", "/metrics"] {
        look(&sidecar, &format!("{path}?cached=0")).await.expect(200);
    }
    look(&sidecar, "/policies").await.expect(200);
}
