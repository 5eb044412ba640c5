//! What apps are told of their messages: by calls, and when they ask.

mod listener;

use std::collections::HashMap;
use std::time::Duration;

use plivo_client::AuthToken;
use plivo_client::signature::{Callback, Signed, verify};
use plivo_sim::{Callbacks, PlivoSim, SimConfig, Step};
use serde_json::{Value, json};

use self::listener::Listener;
use crate::drain;
use crate::harness::{App, Folder, PATIENCE, Setup, Sidecar, TO, TOKEN, plivo};
use crate::reload::configure;
use crate::reports::{self, Ingress};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A Plivo whose messages move by themselves, asked for what became of them.
async fn moving() -> PlivoSim {
    PlivoSim::start(SimConfig { callbacks: Callbacks::auto(), ..SimConfig::default() }).await
}

fn setup(plivo: &PlivoSim) -> Setup {
    Setup::new(plivo).set("delivery.poll_s", json!([1]))
}

/// The app `demo`, told of its messages at `listener`.
fn told_at(listener: &Listener) -> App {
    App::new("demo", TOKEN).set("relay_url", listener.url("/reports")).set("relay_secret", SECRET)
}

fn sms() -> Value {
    json!({"to": TO, "text": "swordfish", "tags": {"order": "7"}})
}

#[tokio::test]
async fn an_app_is_told_of_every_state_in_order_and_signed() {
    let (plivo, mut listener) = (moving().await, Listener::open().await);
    let sidecar = Sidecar::start(setup(&plivo).app(told_at(&listener))).await;
    let id = sidecar.send(&sms()).await.expect(202)["id"].clone();

    let mut states = Vec::new();
    while states.last() != Some(&json!("delivered")) {
        let told = listener.next().await;
        assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/reports"));
        assert_eq!(told.header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(told.header("webhook-signature"), told.webhook_signature(SECRET));
        let event = told.json();
        assert_eq!((&event["specversion"], &event["subject"]), (&json!("1.0"), &id), "{event}");
        assert_eq!(event["id"], told.header("webhook-id"));
        assert_eq!(event["data"]["tags"], json!({"order": "7"}));
        assert!(event["source"].as_str().unwrap().starts_with("urn:sendgate:"), "{event}");
        let state = event["data"]["status"].clone();
        assert_eq!(event["type"], format!("sms.message.{}.v1", state.as_str().unwrap()));
        assert!(!event.to_string().contains("swordfish"), "the text is told: {event}");
        states.push(state);
    }
    // Between two looks at Plivo `sent` may pass unseen.
    states.retain(|state| state != "sent");
    assert_eq!(states, ["submitted", "delivered"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_may_name_its_own_place_at_an_origin_that_is_allowed() {
    let (plivo, main) = (plivo().await, Listener::open().await);
    let (mut own, mut foreign) = (Listener::open().await, Listener::open().await);
    let app = told_at(&main).set("relay_allow", json!([own.url("")]));
    let sidecar = Sidecar::start(setup(&plivo).app(app)).await;

    let mut body = sms();
    body["callback_url"] = own.url("/dlr?tenant=7").into();
    sidecar.send(&body).await.expect(202);
    assert_eq!(own.next().await.path, "/dlr?tenant=7");

    for elsewhere in [
        foreign.url("/"),
        "http://169.254.169.254/".to_owned(),
        format!("{}@evil.example/", main.url("")),
    ] {
        body["callback_url"] = elsewhere.into();
        let refused = sidecar.send(&body).await.refused(403, "relay.not_allowed");
        assert_eq!(refused["errors"][0]["pointer"], "/callback_url", "{refused}");
    }
    assert_eq!(plivo.sends().len(), 1, "what was refused was sent");
    assert!(foreign.is_quiet());
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_that_is_not_to_be_called_is_warned_and_not_refused() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let mut body = sms();
    body["callback_url"] = "http://127.0.0.1:9/".into();
    let answer = sidecar.send(&body).await.expect(202);
    let codes: Vec<&Value> =
        answer["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    assert_eq!(codes, ["callback_url.not_relayed"], "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_sdk_of_plivos_gets_plivos_own_reports_signed_with_its_own_token() {
    let (plivo, mut listener) = (moving().await, Listener::open().await);
    let app = App::new("demo", TOKEN)
        .set("relay_allow", json!([listener.url("")]))
        .set("relay_secret", SECRET);
    let sidecar = Sidecar::start(setup(&plivo).app(app)).await;
    for method in ["POST", "GET"] {
        let body = json!({"src": "14155551212", "dst": "14155550123", "text": method, "url": listener.url("/dlr"), "method": method});
        let path = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";
        let answer = sidecar.post(path).json(&body).answer().await.expect(202);
        let mut words = Vec::new();
        while words.last().map(String::as_str) != Some("delivered") {
            let told = listener.next().await;
            assert_eq!(told.method, method);
            let params = told.params();
            let get = |name: &str| params.iter().find(|(key, _)| key == name).unwrap().1.clone();
            assert_eq!(answer["message_uuid"][0], get("MessageUUID").as_str());
            let called = listener.url(&told.path);
            let signature = Some(told.header("x-plivo-signature-v3"));
            let callback = Callback {
                method,
                url: &called,
                params: if method == "GET" { &[] } else { &params },
                v3: signature,
                ma_v3: None,
                v3_nonce: Some(told.header("x-plivo-signature-v3-nonce")),
                v2: None,
                ma_v2: None,
                v2_nonce: None,
            };
            let tokens = [AuthToken::parse(TOKEN).unwrap()];
            assert_eq!(verify(&tokens, &callback, false), Ok(Signed::V3), "{called}");
            words.push(get("Status"));
        }
        words.retain(|word| word != "sent");
        assert_eq!(words, ["queued", "delivered"], "{method}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn an_sdk_that_was_answered_our_id_hears_of_the_message_by_that_id() {
    let (plivo, mut listener) = (moving().await, Listener::open().await);
    let app = App::new("demo", TOKEN)
        .set("relay_allow", json!([listener.url("")]))
        .set("relay_secret", SECRET);
    let setup = setup(&plivo).app(app).set("delivery.compat_wait_ms", 0);
    let sidecar = Sidecar::start(setup).await;
    let body = json!({"src": "14155551212", "dst": "14155550123", "text": "soon", "url": listener.url("/dlr")});
    let path = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";
    let answer = sidecar.post(path).json(&body).answer().await.expect(202);
    let answered = answer["message_uuid"][0].as_str().unwrap();
    loop {
        let told = listener.next().await;
        let params = told.params();
        let get = |name: &str| params.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert_eq!(get("MessageUUID"), answered);
        if get("Status") == "delivered" {
            break;
        }
    }
    let path = format!("{path}{answered}/");
    let shown = sidecar.get(&path).await.expect(200);
    assert_eq!(
        (&shown["message_uuid"], &shown["message_state"]),
        (&answered.into(), &"delivered".into())
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_reports_before_the_answer_is_told_by_the_id_that_is_answered() {
    let (plivo, ingress, mut listener) =
        (moving().await, Ingress::open().await, Listener::open().await);
    plivo.script([Step::hang(Duration::from_millis(700))]).await;
    let sidecar =
        reports::start(reports::reached(&plivo, &ingress).app(told_at(&listener)), &ingress).await;
    let body = json!({"src": "14155551212", "dst": "14155550123", "text": "hi", "url": listener.url("/dlr")});

    let answer = sidecar.post("/v1/Account/demo/Message/").json(&body).answer().await.expect(202);

    let mut states = Vec::new();
    while states.last().map(String::as_str) != Some("delivered") {
        let told = listener.next().await;
        let params: HashMap<String, String> = told.params().into_iter().collect();
        assert_eq!(answer["message_uuid"][0], params["MessageUUID"].as_str(), "{params:?}");
        states.push(params["Status"].clone());
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_still_to_be_told_goes_to_the_relay_url_of_now() {
    let (plivo, folder, mut listener) = (plivo().await, Folder::new(), Listener::open().await);
    let app =
        |url: String| App::new("demo", TOKEN).set("relay_url", url).set("relay_secret", SECRET);
    let sidecar =
        Sidecar::start_in(folder, setup(&plivo).app(app("http://127.0.0.1:9/reports".into())))
            .await;
    let id = sidecar.send(&sms()).await.expect(202)["id"].clone();

    configure(&sidecar, &setup(&plivo).app(app(listener.url("/reports"))));

    assert_eq!(listener.next().await.json()["subject"], id);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_event_that_was_not_taken_is_told_after_a_restart_under_the_same_id() {
    let (plivo, mut listener) = (plivo().await, Listener::open().await);
    let setup =
        Setup::new(&plivo).durable().set("store.min_free_percent", 0).app(told_at(&listener));
    listener.answers(500);
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.send(&sms()).await.expect(202);
    let before = listener.next().await.json();
    let folder = sidecar.kill().await;
    listener.answers(204);
    let sidecar = Sidecar::start_in(folder, setup).await;

    // A call of the first process may still have been under way.
    let taken = loop {
        let told = listener.next().await;
        if told.answered == 204 {
            break told.json();
        }
    };

    assert_eq!((&taken["id"], &taken["source"]), (&before["id"], &before["source"]));
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_is_told_of_what_ends_while_the_sidecar_does() {
    let (plivo, mut listener) = (plivo().await, Listener::open().await);
    let sidecar = Sidecar::start(Setup::new(&plivo).app(told_at(&listener))).await;
    plivo.script([Step::hold()]).await;
    let id = sidecar.queue(&sms()).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    sidecar.terminate();
    drain::draining(&sidecar).await;
    plivo.release();
    let log = sidecar.ended_well().await;

    let told = listener.next().await.json();
    assert_eq!((&told["subject"], &told["data"]["status"]), (&json!(id), &json!("submitted")));
    assert!(log.text().contains("drained; nothing was left"), "{}", log.text());
}

#[tokio::test]
async fn what_an_app_was_not_told_is_counted_at_the_end() {
    let (plivo, mut listener) = (plivo().await, Listener::open().await);
    listener.answers(500);
    for (setup, wanted) in [
        (Setup::new(&plivo), "and are not told any more"),
        (Setup::new(&plivo).durable(), "the next start goes on"),
    ] {
        let sidecar = Sidecar::start(setup.app(told_at(&listener))).await;
        sidecar.send(&sms()).await.expect(202);
        listener.next().await;

        let log = sidecar.stop().await;

        let events = log.events();
        let said = events.iter().find(|event| event.to_string().contains(wanted));
        let said = said.unwrap_or_else(|| panic!("no `{wanted}` in\n{}", log.text()));
        assert_eq!(said["fields"]["untold"], 1, "{said}");
        assert!(log.text().contains("drained; no message was left"), "{}", log.text());
    }
}

#[tokio::test]
async fn an_app_without_a_listener_asks_and_waits() {
    let plivo = moving().await;
    let other = App::new("other", "token-of-the-app-other");
    let sidecar = Sidecar::start(setup(&plivo).app(other)).await;
    let empty = sidecar.get("/v1/events").await.expect(200);
    assert_eq!(empty["events"], json!([]));

    let id = sidecar.send(&sms()).await.expect(202)["id"].clone();
    let (mut next, mut states) = (empty["next"].clone(), Vec::new());
    while states.last() != Some(&json!("delivered")) {
        let path = format!("/v1/events?wait=30&limit=1&after={}", next.as_str().unwrap());
        let answer = sidecar.get(&path).await.expect(200);
        let event = answer["events"][0].clone();
        assert_eq!(event["subject"], id, "{answer}");
        states.push(event["data"]["status"].clone());
        next = answer["next"].clone();
    }
    let others = sidecar.request("GET", "/v1/events").bearer("token-of-the-app-other");
    assert_eq!(others.answer().await.expect(200)["events"], json!([]));
    sidecar.get("/v1/events?after=x&wait=60").await.refused(400, "body.bad_filter");
    sidecar.request("POST", "/v1/events").answer().await.refused(405, "http.method_not_allowed");
    sidecar.stop().await;
}

#[tokio::test]
async fn who_waits_for_events_does_not_hold_up_the_end() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let waiting = sidecar.request("GET", "/v1/events?wait=30");
    let waiting = tokio::spawn(waiting.answer());
    let log = sidecar.stop().await;
    let drained = log.text().contains("drained; nothing was left");
    assert!(drained, "{}", log.text());
    // It was answered, or had not been read yet.
    drop(waiting.await);
}
