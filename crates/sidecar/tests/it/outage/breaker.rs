//! The breaker: nothing goes to a Plivo that fails, and nobody's message finds out whether it is well again.

use plivo_sim::{Outage, PlivoSim, Seen, State, Step};
use serde_json::{Value, json};

use crate::harness::{App, Setup, Sidecar, TO, TOKEN, eventually, plivo, posts, texts};

fn failing(plivo: &PlivoSim) -> Setup {
    Setup::new(plivo)
        .set("delivery.breaker", json!({"failures": 2, "open_s": 1, "open_max_s": 1}))
        .set("plivo.attempts", 20)
}

async fn breaker(sidecar: &Sidecar) -> Value {
    sidecar.ready().await.json()["plivo"].clone()
}

/// Queues so many messages, each to a number of its own.
async fn queue(sidecar: &Sidecar, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for nth in 0..count {
        let request = json!({"to": format!("+1415555{:04}", 200 + nth), "text": format!("n{nth}")});
        ids.push(sidecar.queue(&request).await);
    }
    ids
}

#[tokio::test]
async fn an_open_breaker_is_told_and_probed_by_gets_that_send_nothing() {
    let plivo = plivo().await;
    plivo.fail(Outage::Step(Box::new(Step::status(503)))).await;
    let sidecar = Sidecar::start(failing(&plivo).set("plivo.max_connections", 1)).await;
    let ids = queue(&sidecar, 10).await;

    let probes = async || {
        let probes = plivo.requests().into_iter().filter(|request| request.method == "GET");
        let probes: Vec<Seen> = probes.collect();
        (probes.len() >= 2).then_some(probes)
    };
    let probes = eventually("Plivo was probed twice", probes).await;

    assert_eq!(posts(&plivo).len(), 2, "messages went to an open breaker");
    for probe in &probes {
        assert_eq!(probe.path, "/v1/Account/MAXXXXXXXXXXXXXXXXXX/", "{probe:?}");
        assert!(probe.body.is_empty(), "{probe:?}");
    }
    let told = breaker(&sidecar).await;
    assert!(["open", "probing"].contains(&told["breaker"].as_str().unwrap()), "{told}");
    assert_eq!(told["reason"], "failing", "{told}");
    for id in &ids {
        let record = sidecar.record(id, |record| record["status"] != "accepted").await;
        assert!(
            ["waiting", "retry_wait"].contains(&record["status"].as_str().unwrap()),
            "{record}"
        );
        assert_eq!(record["status_simple"], "queued", "{record}");
    }
    plivo.restore().await;
    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    assert_eq!(plivo.sends().len(), 10);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sender_that_fails_alone_is_held_back_alone_and_its_messages_say_so() {
    let plivo = plivo().await;
    let senders = ["+14155550777", "+14155550778"];
    let app = App::new("demo", TOKEN).set("senders", json!(senders));
    let breaker_set = json!({"failures": 2, "open_s": 60, "open_max_s": 60});
    let setup = Setup::new(&plivo).set("delivery.breaker", breaker_set).app(app);
    let sidecar = Sidecar::start(setup).await;
    let queued = async |from: &str, nth: usize| {
        let to = format!("+1415555{:04}", 200 + nth);
        sidecar.queue(&json!({"to": to, "from": from, "text": format!("n{nth}")})).await
    };
    for round in 0..2 {
        plivo.script([Step::status(500)]).await;
        let lost = queued(senders[0], round).await;
        sidecar.in_status(&lost, "in_doubt").await;
        let sent = queued(senders[1], 10 + round).await;
        sidecar.in_status(&sent, "submitted").await;
    }

    let waits = queued(senders[0], 2).await;

    sidecar.in_status(&waits, "waiting").await;
    let shown = sidecar.admin(&format!("/messages/{waits}")).await.expect(200)["plivo"].clone();
    assert_eq!(shown["breaker"], "closed", "{shown}");
    assert_eq!(shown["sender"], json!({"breaker": "open", "reason": "failing"}), "{shown}");
    assert_eq!(breaker(&sidecar).await["senders_held_back"], 1);
    let goes = queued(senders[1], 12).await;
    sidecar.in_status(&goes, "submitted").await;
    let shown = sidecar.admin(&format!("/messages/{goes}")).await.expect(200)["plivo"].clone();
    assert_eq!(shown["sender"], Value::Null, "{shown}");
    sidecar.stop().await;
}

#[tokio::test]
async fn after_a_good_probe_messages_go_in_rounds_of_one_two_and_four() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let sidecar = Sidecar::start(failing(&plivo)).await;
    let ids = queue(&sidecar, 40).await;
    let open = async || (breaker(&sidecar).await["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    plivo.script(vec![Step::hold(); 40]).await;
    plivo.restore().await;

    for sent in [1, 3, 7, 15] {
        let came = async || (posts(&plivo).len() >= sent).then_some(());
        eventually(&format!("{sent} messages went"), came).await;
        // Nothing further comes before these are answered: those that wait have been told so.
        let told = breaker(&sidecar).await;
        assert_eq!(told["breaker"], "ramping", "{told}");
        let waiting = sidecar.get("/v1/messages?status=waiting&limit=100").await.expect(200);
        let retrying = sidecar.get("/v1/messages?status=retry_wait&limit=100").await.expect(200);
        let count = |listed: &Value| listed["messages"].as_array().unwrap().len();
        assert!(
            count(&waiting) + count(&retrying) >= 40 - sent,
            "{sent} sent: {waiting} {retrying}"
        );
        assert_eq!(posts(&plivo).len(), sent, "a round was larger than it may be");
        plivo.release();
    }

    let closed = async || {
        plivo.release();
        (breaker(&sidecar).await["breaker"] == "closed").then_some(())
    };
    eventually("the breaker is closed", closed).await;
    for id in &ids {
        plivo.release();
        let sent = async || {
            plivo.release();
            let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
            (record["status"] == "submitted").then_some(())
        };
        eventually("it is sent", sent).await;
    }
    let mut sent = texts(&plivo);
    sent.sort();
    sent.dedup();
    assert_eq!((sent.len(), plivo.sends().len()), (40, 40), "sent once each");
    sidecar.stop().await;
}

#[tokio::test]
async fn refused_credentials_hold_everything_and_right_ones_let_it_go_over_a_restart_too() {
    let plivo = plivo().await;
    let right = failing(&plivo).durable().set("plivo.max_connections", 1);
    let wrong = right.clone().set("plivo.auth_token", "WRONG");
    let sidecar = Sidecar::start(wrong.clone()).await;
    let mut ids = queue(&sidecar, 5).await;
    for id in &ids {
        sidecar.in_status(id, "waiting").await;
    }
    assert_eq!(posts(&plivo).len(), 1, "further messages went with refused credentials");
    let told = breaker(&sidecar).await;
    assert_eq!(
        (&told["breaker"], &told["reason"]),
        (&json!("latched"), &json!("credentials")),
        "{told}"
    );
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_unready(folder, wrong).await;
    let latched = async || (breaker(&sidecar).await["breaker"] == "latched").then_some(());
    eventually("the breaker is latched again", latched).await;
    assert_eq!(posts(&plivo).len(), 1, "a message went to find out what was known");
    sidecar.signal("HUP");
    let again = async || (posts(&plivo).len() == 2).then_some(());
    eventually("an operator's word has one more call made", again).await;
    eventually("the breaker is latched once more", latched).await;
    ids.extend(queue(&sidecar, 1).await);
    sidecar.folder.write("sidecar.toml", right.to_toml());

    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    sidecar.wait_until_ready().await;
    assert_eq!(plivo.sends().len(), 6);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_has_less_time_than_plivo_is_left_alone_is_refused_and_the_rest_is_taken() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let setup = Setup::new(&plivo)
        .set("delivery.breaker", json!({"failures": 1, "open_s": 200, "open_max_s": 200}));
    let sidecar = Sidecar::start(setup).await;
    queue(&sidecar, 1).await;
    let open = async || (breaker(&sidecar).await["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;

    let short = json!({"to": TO, "text": "hi", "ttl_s": 60});
    let keyed = || sidecar.post("/v1/messages").key("k1").json(&short).answer();
    let refused = keyed().await;
    refused.refused(503, "upstream.unavailable");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((61..=200).contains(&after), "{refused}");
    let explained = sidecar.post("/v1/explain").json(&short).answer().await;
    assert!(explained.text.contains("upstream.unavailable"), "{explained}");

    sidecar.queue(&json!({"to": TO, "text": "longer", "ttl_s": 600})).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(300);
    let later = json!({"to": TO, "text": "later", "ttl_s": 60, "not_before": soon.to_string()});
    sidecar.queue(&later).await;
    keyed().await.refused(503, "upstream.unavailable");
    assert!(posts(&plivo).is_empty(), "a call went to an open breaker");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_took_before_an_outage_is_asked_about_after_it_though_nothing_is_sent() {
    let plivo = plivo().await;
    let setup = failing(&plivo)
        .set("delivery.breaker", json!({"failures": 1, "open_s": 1, "open_max_s": 1}))
        .set("delivery.poll_s", json!([1]));
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "submitted").await;
    plivo.fail(Outage::Refuse).await;
    let opener = json!({"to": "+14155550124", "text": "hi", "ttl_s": 5});
    // It may have expired before it is answered.
    let opener = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&opener);
    let opener = opener.answer().await.json()["id"].as_str().expect("an id").to_owned();
    sidecar.in_status(&opener, "expired").await;
    let told = breaker(&sidecar).await;
    assert_ne!(told["breaker"], "closed", "{told}");

    plivo.change(&plivo.sends()[0].message_uuid, State::Delivered, None);
    plivo.restore().await;

    sidecar.in_status(&id, "delivered").await;
    assert_eq!(posts(&plivo).len(), 1, "something was sent");
    sidecar.stop().await;
}
