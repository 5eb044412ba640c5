//! Several accounts at Plivo: each app sends with its own, and what is wrong with one is no other's trouble.

use plivo_sim::{Callbacks, PlivoSim, SimConfig, State, Step};
use serde_json::{Value, json};

use crate::harness::{App, Folder, PATIENCE, Policy, Request, Setup, Sidecar, TO, eventually};
use crate::reports::{Ingress, reached};

/// The account of whoever names none, and the other.
const OURS: &str = "MAXXXXXXXXXXXXXXXXXX";
const EUROPE: &str = "MAYYYYYYYYYYYYYYYYYY";
const POOL: &str = "86bbb125-97bb-4d72-89fd-81d5c515b015";
/// The token of the app that sends with the account `europe`.
const SHOP: &str = "token-of-the-app-shop";

/// A Plivo that knows both; of the second it takes two tokens, as while one is replaced, and signs with the first.
async fn plivo(callbacks: Callbacks) -> PlivoSim {
    let further = ["OLD", "NEW"].map(|token| (EUROPE.to_owned(), token.to_owned()));
    PlivoSim::start(SimConfig { further: further.into(), callbacks, ..SimConfig::default() }).await
}

/// With the account `europe`, and the app `shop` that sends with it; `token` is as in the file.
fn with_europe(setup: Setup, token: impl Into<Value>) -> Setup {
    let europe = json!({"auth_id": EUROPE, "auth_token": token.into(), "sender": POOL});
    setup
        .set("plivo.accounts", json!({"europe": europe}))
        .app(App::new("shop", SHOP).set("account", "europe"))
}

/// A message of the app `shop`.
fn shop(sidecar: &Sidecar, text: &str) -> Request {
    let request = sidecar.post("/v1/messages").bearer(SHOP);
    request.header("prefer", "respond-async").json(&json!({"to": TO, "text": text}))
}

async fn queue(sidecar: &Sidecar, text: &str) -> String {
    shop(sidecar, text).answer().await.expect(202)["id"].as_str().expect("an id").to_owned()
}

/// What operators see of a message, as soon as `wanted` holds of it.
async fn seen(sidecar: &Sidecar, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/messages/{id}");
    let probe = async || Some(sidecar.admin(&path).await.expect(200)).filter(&wanted);
    eventually("the message is as wanted", probe).await
}

/// Each send: the account, who it came from, its text.
fn sends(plivo: &PlivoSim) -> Vec<(String, String, String)> {
    let each = plivo.sends().into_iter();
    each.map(|send| (send.auth_id, send.src + &send.powerpack_uuid, send.text)).collect()
}

fn sent(account: &str, from: &str, text: &str) -> (String, String, String) {
    (account.into(), from.into(), text.into())
}

#[tokio::test]
async fn each_app_sends_with_its_account_and_hears_what_became_of_it_over_a_rotation() {
    let (plivo, ingress) = (plivo(Callbacks::auto()).await, Ingress::open().await);
    let own_sender = App::new("desk", "token-of-the-app-desk").set("account", "europe");
    let setup = with_europe(reached(&plivo, &ingress), json!({"file": "europe-token"}))
        .app(own_sender.set("sender", "12345"))
        // Reports alone tell.
        .set("delivery.report_silence_s", 3_600);
    let folder = Folder::new();
    folder.write("europe-token", "OLD");
    let sidecar = Sidecar::start_in(folder, setup).await;
    ingress.lead_to(&sidecar).await;

    sidecar.send(&json!({"to": TO, "text": "ours"})).await.expect(202);
    let first = shop(&sidecar, "theirs").answer().await.expect(202)["id"].clone();
    let desk = sidecar.post("/v1/messages").bearer("token-of-the-app-desk");
    desk.json(&json!({"to": TO, "text": "desk"})).answer().await.expect(202);
    seen(&sidecar, first.as_str().unwrap(), |record| record["status"] == "delivered").await;

    // The token is replaced while messages are on their way: what was signed with the old one is taken.
    let mut ids = Vec::new();
    for nth in 0..20 {
        if nth == 10 {
            sidecar.folder.write("europe-token", "NEW");
        }
        ids.push(queue(&sidecar, &format!("n{nth}")).await);
    }
    for id in &ids {
        let record = seen(&sidecar, id, |record| record["status"] == "delivered").await;
        assert_eq!((&record["account"], record["calls"].as_u64()), (&json!("europe"), Some(1)));
    }
    let reloaded =
        async || (sidecar.ready().await.json()["generation"].as_u64() > Some(1)).then_some(());
    eventually("the new token is in force", reloaded).await;
    let last = queue(&sidecar, "after").await;
    seen(&sidecar, &last, |record| record["status"] == "delivered").await;

    let all = sends(&plivo);
    for wanted in [
        sent(OURS, "14155551212", "ours"),
        sent(EUROPE, POOL, "theirs"),
        sent(EUROPE, "12345", "desk"),
        sent(EUROPE, POOL, "after"),
    ] {
        assert!(all.contains(&wanted), "{wanted:?} is not in {all:#?}");
    }
    assert_eq!(all.len(), 24, "{all:#?}");

    // Plivo's door: the app's account sends, and no path may name another's.
    let door = async |auth_id: &str| {
        let request = sidecar.post(&format!("/v1/Account/{auth_id}/Message/"));
        let body = json!({"src": "12345", "dst": "14155550123", "text": "door"});
        request.bearer(SHOP).json(&body).answer().await.status
    };
    let (own, others, placeholder) =
        (door(EUROPE).await, door(OURS).await, door("MADEMOXXXXXXXXXXXXXX").await);
    assert_eq!((own, others, placeholder), (202, 401, 202));
    assert!(plivo.sends().iter().skip(24).all(|send| send.auth_id == EUROPE));
    let log = sidecar.stop().await.text();
    assert!(!log.contains("dlr.bad_signature"), "{log}");
}

#[tokio::test]
async fn an_account_that_is_refused_or_gone_stops_its_own_messages_alone_and_no_other_sends_them() {
    let plivo = plivo(Callbacks::Off).await;
    let setup = |token: &str| {
        with_europe(Setup::new(&plivo).durable().set("delivery.poll_s", json!([1])), token)
    };
    let sidecar = Sidecar::start(setup("EXPIRED")).await;

    let id = queue(&sidecar, "theirs").await;
    let record = seen(&sidecar, &id, |record| record["error_code"] == "credentials").await;
    assert_eq!(record["plivo"]["account"], "europe", "{record}");
    sidecar.send(&json!({"to": TO, "text": "ours"})).await.expect(202);

    // Those that can be sent are to come in still.
    let ready = sidecar.ready().await.expect(200);
    assert_eq!(ready["plivo"]["breaker"], "closed", "{ready}");
    assert_eq!(ready["accounts"]["europe"]["reason"], "credentials", "{ready}");
    let metrics = sidecar.admin("/metrics").await.text;
    let line = "sendgate_plivo_breaker{account=\"europe\",state=\"latched\"} 1";
    assert!(metrics.contains(line), "no {line} in\n{metrics}");
    // What came of calls, and how long they took, is told of each account; of [plivo] itself as if it were alone.
    for line in [
        "sendgate_plivo_calls_total{account=\"europe\",error_type=\"credentials\",outcome=\"rejected\"} 1",
        "sendgate_plivo_calls_total{outcome=\"accepted\"} 1",
        "http_client_request_duration_seconds_count{account=\"europe\",",
        "http_client_request_duration_seconds_count{http_request_method=\"POST\",",
    ] {
        let told = async || sidecar.admin("/metrics").await.text.contains(line).then_some(());
        eventually(line, told).await;
    }

    // It leaves the configuration, and is not there at the next start either.
    let without = Setup::new(&plivo).durable().app(App::new("shop", SHOP));
    sidecar.folder.write("sidecar.toml", without.to_toml());
    seen(&sidecar, &id, |record| record["error_code"] == "account_gone").await;
    let folder = sidecar.kill().await;
    let sidecar = Sidecar::start_in(folder, without).await;
    let record = seen(&sidecar, &id, |record| record["error_code"] == "account_gone").await;
    assert_eq!(
        record["waits_for"], "its account `europe`, which the configuration does not have",
        "{record}"
    );
    assert_eq!(sidecar.ready().await.expect(200)["accounts_gone"], json!({"europe": 1}));
    // A new message of the same app goes with the account that it has now.
    shop(&sidecar, "now ours").answer().await.expect(202);
    let both = vec![sent(OURS, "14155551212", "ours"), sent(OURS, "14155551212", "now ours")];
    eventually("both are sent", async || (sends(&plivo) == both).then_some(())).await;

    sidecar.folder.write("sidecar.toml", setup("OLD").to_toml());

    // Plivo is asked what became of it as that account.
    let record = seen(&sidecar, &id, |record| record["status"] == "submitted").await;
    plivo.change(record["message_uuid"].as_str().unwrap(), State::Delivered, None);
    seen(&sidecar, &id, |record| record["status"] == "delivered").await;
    assert_eq!(sends(&plivo)[2..], [sent(EUROPE, POOL, "theirs")]);
    assert_eq!(sidecar.ready().await.expect(200)["accounts_gone"], json!({}));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_doubt_is_settled_by_the_list_of_the_account_that_was_called_also_after_a_restart() {
    let plivo = plivo(Callbacks::Off).await;
    // Of both Plivo may have the same text to the same number; it has one of the second only.
    plivo.script([Step::status(500).queued(), Step::status(500)]).await;
    let setup = Setup::new(&plivo)
        .durable()
        .set("delivery.settle_s", json!([2, 3]))
        .set("delivery.breaker", json!({"failures": 1_000, "min_calls": 100_000}));
    let sidecar = Sidecar::start(with_europe(setup.clone(), "OLD")).await;
    let theirs = queue(&sidecar, "hi").await;
    seen(&sidecar, &theirs, |record| record["status"] == "in_doubt").await;
    let ours = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    seen(&sidecar, &ours, |record| record["status"] == "in_doubt").await;
    let folder = sidecar.kill().await;

    // The account has another name by now; what it was called as tells whose list to ask.
    let account = json!({"auth_id": EUROPE, "auth_token": "OLD", "sender": POOL});
    let renamed = setup
        .set("plivo.accounts", json!({"emea": account}))
        .app(App::new("shop", SHOP).set("account", "emea"));
    let sidecar = Sidecar::start_in(folder, renamed).await;

    let found = seen(&sidecar, &theirs, |record| record["status"] == "submitted").await;
    assert_eq!(found["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{found}");
    let again = seen(&sidecar, &ours, |record| record["status"] == "submitted").await;
    assert_eq!((&found["calls"], &again["calls"]), (&json!(1), &json!(2)), "{again}");
    let accounts: Vec<String> = plivo.sends().into_iter().map(|send| send.auth_id).collect();
    assert_eq!(accounts, [EUROPE, OURS]);
    let asks = |account: &str| {
        let of = format!("/v1/Account/{account}/Message/?");
        plivo.requests().iter().filter(|seen| seen.path.starts_with(&of)).count()
    };
    assert!(asks(EUROPE) > 0 && asks(OURS) > 0, "each list was asked");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_by_account_counts_for_each() {
    let plivo = plivo(Callbacks::Off).await;
    let limit = json!({"name": "all", "scope": "account", "quota": 1, "per_s": 3_600});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(with_europe(Setup::new(&plivo), "OLD").policy(throttle)).await;

    let both = async |text: &str| {
        let ours = sidecar.send(&json!({"to": TO, "text": text})).await;
        [ours, shop(&sidecar, text).answer().await]
    };
    for first in both("one").await {
        first.expect(202);
    }
    for second in both("two").await {
        second.refused(429, "throttle.all");
    }

    // One is answered before Plivo has it.
    plivo.wait_for_sends(2, PATIENCE).await.expect("one of each");
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}
