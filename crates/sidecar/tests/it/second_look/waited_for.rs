//! An app that still waits for its answer is told of a late refusal what the record says.

use serde_json::{Value, json};

use super::{consenting, held_back, on_hello, opening, says};
use crate::harness::{Answer, SENDER, Setup, Sidecar, TO, eventually, plivo, texts};
use crate::reload::applied;

const PLIVO_DOOR: &str = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";

fn waiting(setup: Setup) -> Setup {
    let setup = setup.set("delivery.wait_ms", 60_000).set("delivery.compat_wait_ms", 60_000);
    opening(setup, 16)
}

/// Sends this at each door, and has the answers once all wait.
async fn at_every_door(sidecar: &Sidecar, text: &str) -> [tokio::task::JoinHandle<Answer>; 3] {
    let bodies = [
        ("/v1/messages", json!({"to": [TO], "text": text})),
        ("/mms/send", {
            let media = json!(["https://cdn.example.com/a.jpg"]);
            json!({"recipient": TO, "message": text, "mediaUrls": media})
        }),
        (PLIVO_DOOR, json!({"src": SENDER, "dst": TO, "text": text})),
    ];
    let answers = bodies.map(|(path, body)| tokio::spawn(sidecar.post(path).json(&body).answer()));
    let waits = async || (sidecar.ready().await.json()["waiting"] == 4).then_some(());
    eventually("all wait", waits).await;
    answers
}

/// The ids of all three, which ended by `code`.
async fn refused(sidecar: &Sidecar, code: &str) -> Vec<String> {
    let listed = sidecar.get("/v1/messages?status=failed").await.expect(200);
    let listed = listed["messages"].as_array().expect("a list");
    assert_eq!(listed.len(), 3, "{listed:#?}");
    assert!(listed.iter().all(|record| record["error_code"] == code), "{listed:#?}");
    listed.iter().map(|record| record["id"].as_str().expect("an id").to_owned()).collect()
}

/// Has all three refused before their calls, by an opt-out or else by a policy that comes into force then and says
/// `word`, and compares what is told with the records.
async fn told(word: Option<&str>, (status, code): (u16, &str)) {
    let plivo = plivo().await;
    let of = |request: Option<&str>| {
        waiting(Setup::new(&plivo).set("reload.poll_ms", 100)).policy(on_hello(request, "reject"))
    };
    let setup = if word.is_none() { waiting(consenting(&plivo)) } else { of(None) };
    let sidecar = held_back(&plivo, setup).await;
    let [native, seed, compat] = at_every_door(&sidecar, "hello").await;
    match word {
        None => says(&sidecar, TO, "STOP").await,
        Some(word) => {
            let setup = of(Some(&format!("refuse {word}")));
            sidecar.folder.write("sidecar.toml", setup.to_toml());
            applied(&sidecar, 1).await;
        }
    }
    plivo.restore().await;

    let native = native.await.unwrap().expect(status);
    let problem = &native["messages"][0]["problem"];
    assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)));
    assert!(problem["policy"]["name"].is_string(), "{native}");
    let seed = seed.await.unwrap().expect(status);
    assert_eq!((&seed["code"], &seed["statusCode"]), (&json!(code), &json!(status)));
    let compat = compat.await.unwrap().expect(422);
    let ends = |said: &Value| said.as_str().is_some_and(|it| it.ends_with(&format!("({code})")));
    assert!(ends(&compat["error"]), "{compat}");
    let ids = refused(&sidecar, code).await;
    let id = problem["id"].as_str().unwrap_or_default();
    assert!(ids.iter().any(|each| each == id), "{native}");
    assert_eq!(problem["instance"], format!("/v1/messages/{id}"), "{native}");
    for id in &ids {
        let shown = sidecar.get(&format!("{PLIVO_DOOR}{id}/")).await.expect(200);
        assert!(ends(&shown["error_message"]), "{shown}");
    }
    assert!(!texts(&plivo).contains(&"hello".to_owned()));
    sidecar.stop().await;
}

#[tokio::test]
async fn who_waits_is_told_of_a_late_refusal_at_every_door_what_its_record_says() {
    told(None, (403, "optout.suppressed")).await;
}

#[tokio::test]
async fn who_waits_is_told_by_another_code_of_a_refusal_by_a_word_of_ours_as_its_record_says() {
    told(Some("send.unresolved"), (422, "policy.refused")).await;
}
