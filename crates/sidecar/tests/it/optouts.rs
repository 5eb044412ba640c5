//! Who takes no messages any more: by Plivo's inbound messages and reports, by apps, and by the operator.

use std::process::Stdio;

use plivo_sim::{PlivoSim, Report, State, signature};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use url::form_urlencoded;

use crate::harness::{
    App, Folder, Policy, SENDER, Setup, Sidecar, TO, TOKEN, client, eventually, plivo,
};
use crate::reports::{Ingress, manual, reached, start};

const OPERATOR: &str = "token-of-the-operator";

fn consenting(setup: Setup) -> Setup {
    setup.set("listen.admin_token", OPERATOR).policy(Policy::new("consent"))
}

async fn alone(plivo: &PlivoSim) -> Sidecar {
    Sidecar::start(consenting(Setup::new(plivo))).await
}

fn message(text: &str) -> Value {
    json!({"to": TO, "text": text})
}

async fn is_suppressed(sidecar: &Sidecar, text: &str) -> bool {
    let answer = sidecar.send(&message(text)).await;
    match answer.status {
        202 => false,
        _ => answer.refused(403, "optout.suppressed")["policy"]["name"] == "consent",
    }
}

/// A request to the admin listener, as the operator.
async fn operator(sidecar: &Sidecar, method: Method, path: &str) -> (u16, Value) {
    let url = format!("http://{}{path}", sidecar.admin);
    let answer = client().request(method, url).bearer_auth(OPERATOR).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Brings a message from a handset as Plivo does, signed with `token`.
async fn bring(url: &str, text: &str, nonce: &str, token: &str) -> u16 {
    let params = [
        ("From", &TO[1..]),
        ("To", &SENDER[1..]),
        ("Text", text),
        ("Type", "sms"),
        ("MessageUUID", "5b40a428-bfc7-4daf-9d06-726c558bf3b8"),
    ];
    let params: Vec<(String, String)> =
        params.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
    let request = client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-plivo-signature-v3", signature::v3(token, "POST", url, &params, nonce))
        .header("x-plivo-signature-v3-nonce", nonce)
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_handsets_stop_and_start_by_plivo_hold_over_a_restart() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let setup = consenting(reached(&plivo, &ingress)).durable().set("store.min_free_percent", 0);
    let sidecar = start(setup.clone(), &ingress).await;
    let (status, body) = operator(&sidecar, Method::GET, "/inbound").await;
    assert_eq!((status, &body["heard"]), (200, &json!(true)));
    let url = body["url"].as_str().unwrap().to_owned();

    assert!(!is_suppressed(&sidecar, "one").await);
    assert_eq!(bring(&url, " Stop\n", "n1", "TOKEN").await, 200);
    assert!(is_suppressed(&sidecar, "two").await);

    let folder = sidecar.kill().await;
    let sidecar = Sidecar::start_in(folder, setup).await;
    ingress.lead_to(&sidecar).await;
    assert!(is_suppressed(&sidecar, "three").await, "what a handset said was forgotten");
    assert_eq!(bring(&url, "START", "n2", "TOKEN").await, 200);
    assert!(!is_suppressed(&sidecar, "four").await);
    let reports = &sidecar.ready().await.json()["reports"];
    assert_eq!((&reports["heard"], &reports["taken"]), (&json!(1), &json!(0)));
    sidecar.stop().await;
}

#[tokio::test]
async fn nobody_else_speaks_for_a_handset_at_plivos_door() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let sidecar = start(consenting(reached(&plivo, &ingress)), &ingress).await;
    let (_, body) = operator(&sidecar, Method::GET, "/inbound").await;
    let url = body["url"].as_str().unwrap();
    let (place, token) = url.rsplit_once('/').unwrap();

    assert_eq!(bring(url, "STOP", "n1", "another token").await, 403);
    for other in [token[1..].to_owned(), "A".repeat(22)] {
        assert_eq!(bring(&format!("{place}/{other}"), "STOP", "n2", "TOKEN").await, 403);
    }
    assert!(!is_suppressed(&sidecar, "one").await);

    assert_eq!(bring(url, "STOP", "n3", "TOKEN").await, 200);
    assert_eq!(bring(url, "START", "n4", "TOKEN").await, 200);
    // The same call again is known by its nonce, and changes nothing.
    assert_eq!(bring(url, "STOP", "n3", "TOKEN").await, 200);
    assert!(!is_suppressed(&sidecar, "two").await);
    assert_eq!(sidecar.ready().await.json()["reports"]["replayed"], 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_no_policy_could_take_is_brought_again() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let probe = Policy::new("probe")
        .set("grants", json!(["state", "log", "metrics", "telecom", "zones", "media"]));
    let setup = reached(&plivo, &ingress).set("listen.admin_token", OPERATOR).policy(probe);
    let sidecar = start(setup, &ingress).await;
    let (_, body) = operator(&sidecar, Method::GET, "/inbound").await;
    let url = body["url"].as_str().unwrap();
    assert_eq!(bring(url, "fail", "n1", "TOKEN").await, 503);
    assert_eq!(bring(url, "put k v 1000", "n1", "TOKEN").await, 200, "the nonce is not used up");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_tells_what_handsets_answered_to_its_own_senders() {
    let plivo = plivo().await;
    let mine = App::new("demo", TOKEN).set("senders", json!([SENDER]));
    let sidecar = Sidecar::start(consenting(Setup::new(&plivo)).app(mine)).await;
    let tell = async |body: Value| sidecar.post("/v1/inbound").json(&body).answer().await;

    let told = tell(json!({"from": TO, "to": SENDER, "text": "stop"})).await.expect(200);
    assert_eq!(told["remarks"][0]["policy"], "consent");
    assert_eq!(told["remarks"][0]["code"], "optout.learned");
    assert!(is_suppressed(&sidecar, "one").await);
    let told = tell(json!({"from": TO, "to": SENDER, "text": "thank you"})).await.expect(200);
    assert_eq!(told, json!({"remarks": []}));

    let other = json!({"from": TO, "to": "+14155551299", "text": "STOP"});
    tell(other).await.refused(403, "sender.not_allowed");
    for (wrong, at) in [
        (json!({"from": 5, "text": "STOP"}), &["/from", "/to"][..]),
        (json!({"from": "x", "to": 5}), &["/to", "/from"]),
        (json!({"from": "x", "to": "?", "text": 7}), &["/text", "/from", "/to"]),
        (json!({"from": "x", "to": "+14155551299"}), &["/from", "/to"]),
        // Dropped without a word it would be a STOP that nobody hears.
        (json!({"from": TO, "to": SENDER, "Text": "STOP"}), &["/Text"]),
    ] {
        let answer = tell(wrong).await;
        let errors = answer.json()["errors"].clone();
        let pointers: Vec<&str> =
            errors.as_array().unwrap().iter().filter_map(|each| each["pointer"].as_str()).collect();
        assert_eq!((answer.status, &pointers[..]), (400, at), "{answer}");
    }
    assert_eq!(sidecar.get("/v1/inbound").await.status, 405);
    let log = sidecar.stop().await;
    assert!(log.text().contains("optout.learned") && !log.text().contains(&TO[1..]));
}

#[tokio::test]
async fn plivos_error_200_is_an_opt_out_though_the_store_keeps_no_numbers() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let setup = consenting(reached(&plivo, &ingress)).set("store.numbers", "none");
    let sidecar = start(setup, &ingress).await;
    let sent = sidecar.send(&message("one")).await.expect(202);
    let uuid = sent["message_uuid"].as_str().unwrap();

    let opted_out = Report { error_code: Some("200".into()), ..Report::of(State::Undelivered) };
    plivo.send_report(uuid, opted_out).await.expect("a report");

    let probe = async || {
        let explained =
            sidecar.post("/v1/explain").json(&message("two")).answer().await.expect(200);
        (explained["problem"]["code"] == "optout.suppressed").then_some(())
    };
    eventually("the recipient is suppressed", probe).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn an_opt_out_by_a_report_is_on_disk_when_the_report_is() {
    let (plivo, ingress) = (manual().await, Ingress::open().await);
    let setup = consenting(reached(&plivo, &ingress)).durable();
    let sidecar = start(setup.clone(), &ingress).await;
    let sent = sidecar.send(&message("one")).await.expect(202);
    let uuid = sent["message_uuid"].as_str().unwrap();

    let opted_out = Report { error_code: Some("200".into()), ..Report::of(State::Undelivered) };
    let reported = plivo.send_report(uuid, opted_out).await.expect("a report");
    assert_eq!(reported.answer.expect("an answer"), 200);
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, consenting(Setup::new(&plivo)).durable()).await;
    assert!(is_suppressed(&sidecar, "two").await);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_opt_out_that_the_disk_did_not_take_is_on_it_once_somebody_is_told_that_it_was_learned()
{
    let plivo = plivo().await;
    let setup = consenting(Setup::new(&plivo)).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let stop = json!({"from": TO, "to": SENDER, "text": "STOP"});
    let tell = async || sidecar.post("/v1/inbound").json(&stop).answer().await;
    let other = rusqlite::Connection::open(sidecar.folder.path().join("sendgate.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    tell().await.refused(503, "spool.unavailable");
    other.execute_batch("ROLLBACK").unwrap();

    // It is in memory by now, so that the policy itself has nothing to write.
    let told = tell().await.expect(200);
    assert_eq!(told["remarks"][0]["code"], "optout.learned", "{told}");
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    assert!(is_suppressed(&sidecar, "two").await);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_operator_adds_removes_and_imports() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let setup = consenting(Setup::new(&plivo));
    let sidecar = Sidecar::start_in(folder, setup).await;
    let run = async |words: &[&str]| {
        let admin = format!("http://{}", sidecar.admin);
        let child = Command::new(env!("CARGO_BIN_EXE_sendgate"))
            .arg("optouts")
            .args(words)
            .args(["--admin", &admin])
            .current_dir(sidecar.folder.path())
            .env_clear()
            .env("SENDGATE_ADMIN_TOKEN", OPERATOR)
            .stdin(Stdio::null())
            .output();
        let ended = child.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    };
    let well = |said: &str| (Some(0), said.to_owned(), String::new());

    assert_eq!(run(&["add", TO, "--sender", "+14155551299"]).await, well("added\n"));
    assert!(!is_suppressed(&sidecar, "one").await, "another sender's");
    assert_eq!(run(&["add", TO, "--sender", SENDER]).await, well("added\n"));
    assert!(is_suppressed(&sidecar, "two").await);
    let again = run(&["add", TO, "--sender", SENDER]).await;
    assert_eq!(again, well("was listed already\n"));
    assert_eq!(run(&["remove", TO, "--sender", SENDER]).await, well("removed\n"));
    assert!(!is_suppressed(&sidecar, "three").await);
    let unlisted = format!("was not listed for {SENDER}\n");
    assert_eq!(run(&["remove", TO, "--sender", SENDER]).await, well(&unlisted), "it is no more");
    let for_one = "was not listed for all senders; where it was for one, that is removed\n";
    assert_eq!(run(&["remove", "+14155550777"]).await, well(for_one), "it never was");

    let pool = "0F1E2D3C-4b5a-4978-8a6b-5c4d3e2f1a0b";
    assert_eq!(run(&["add", "+14155550555", "--sender", pool]).await, well("added\n"));
    let by_pool = json!({"to": "+14155550555", "powerpack_uuid": pool, "text": "by a pool"});
    sidecar.send(&by_pool).await.refused(403, "optout.suppressed");

    sidecar.folder.write("list.csv", format!("# old\n+14155550999\n{TO},{SENDER}\n"));
    let new = "2 added, 0 listed already, 0 repeated in the file\n";
    assert_eq!(run(&["import", "list.csv"]).await, well(new));
    assert!(is_suppressed(&sidecar, "four").await);
    assert_eq!(run(&["remove", TO]).await, well(for_one));
    assert!(!is_suppressed(&sidecar, "five").await, "of all senders, and so of this one");
    assert_eq!(run(&["remove", "+14155550999"]).await, well("removed\n"));
    sidecar.folder.write("again.csv", format!("{TO}\n\n+14155550777\n{TO},\n# {TO}\n"));
    let new = "2 added, 0 listed already, 1 repeated in the file\n";
    assert_eq!(run(&["import", "again.csv"]).await, well(new));
    let old = "0 added, 2 listed already, 1 repeated in the file\n";
    assert_eq!(run(&["import", "again.csv"]).await, well(old));
    sidecar.folder.write("bad.csv", "number\n");
    let (code, out, err) = run(&["import", "bad.csv"]).await;
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("bad.csv: nothing was imported\nline 1: "), "{err}");
    let (code, _, err) = run(&["url"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("callbacks.not_configured"), "{err}");
    for command in ["add", "remove"] {
        let (code, out, err) = run(&[command, "4155550123", "--sender", "?"]).await;
        assert_eq!((code, &*out), (Some(2), ""));
        let lines: Vec<&str> = err.lines().collect();
        assert!(
            lines.len() == 2
                && lines[0].starts_with("NUMBER is not E.164: ")
                && lines[1].starts_with("--sender is not a sender: "),
            "{err}"
        );
    }
    let (code, _, err) = run(&["remove", TO, "--sender", ""]).await;
    assert_eq!(code, Some(2), "an empty sender is none, and not all of them: {err}");
    sidecar.stop().await;
}

#[tokio::test]
async fn only_the_operator_speaks_in_a_handsets_place() {
    let plivo = plivo().await;
    let sidecar = alone(&plivo).await;
    let path = format!("/inbound?from=%2B{}&text=STOP", &TO[1..]);
    let ask = async |method: Method| {
        let url = format!("http://{}{path}", sidecar.admin);
        client().request(method, url).send().await.unwrap().status().as_u16()
    };
    assert_eq!((ask(Method::POST).await, ask(Method::GET).await), (401, 401));
    assert!(!is_suppressed(&sidecar, "one").await);
    let (status, body) = operator(&sidecar, Method::POST, "/inbound?from=1&texte=x").await;
    assert_eq!((status, &body["code"]), (400, &json!("query.invalid")));
    let (status, body) = operator(&sidecar, Method::POST, &path).await;
    assert_eq!((status, &body["remarks"][0]["code"]), (200, &json!("optout.learned")));
    assert!(is_suppressed(&sidecar, "two").await);
    sidecar.stop().await;
}
