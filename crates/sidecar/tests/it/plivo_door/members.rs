//! Every member of Plivo's request: passed on, served here, or refused by name. None is dropped without a word.

use std::collections::BTreeSet;

use plivo_sim::Queued;
use serde_json::{Value, json};

use super::{ACCOUNT, post};
use crate::harness::{Setup, Sidecar, eventually, plivo};

/// All members that Plivo documents for a send (plivo-api.md 1.2), and those of any call (1.1).
const DOCUMENTED: [&str; 20] = [
    "src",
    "powerpack_uuid",
    "dst",
    "text",
    "type",
    "media_urls",
    "media_ids",
    "url",
    "method",
    "message_expiry",
    "log",
    "trackable",
    "template",
    "interactive",
    "location",
    "dlt_entity_id",
    "dlt_template_id",
    "dlt_template_category",
    "callback_url",
    "callback_method",
];

/// What becomes of a member with a value.
enum Fate {
    /// Plivo receives this, in the member of the simulator's record.
    PassedOn(&'static str, Value),
    /// The answer has this remark.
    Warned(&'static str),
    /// It means what it means without.
    Served,
    /// A refusal that names it, with this code.
    Refused(&'static str),
}

use Fate::{PassedOn, Refused, Served, Warned};

/// Members beside, or instead of, those of a plain send, and what becomes of each.
fn fates() -> Vec<(&'static str, Value, Fate)> {
    let url = json!("https://example.com/a.jpg");
    let medium = json!("801c2056-33ab-499c-80ef-58b574a462a2");
    vec![
        ("src", json!("14155551213"), PassedOn("src", json!("14155551213"))),
        ("src", json!(14_155_551_213_u64), Refused("body.wrong_type")),
        ("powerpack_uuid", medium.clone(), PassedOn("powerpack_uuid", medium.clone())),
        ("powerpack_uuid", json!("pool"), Refused("sender.invalid")),
        ("dst", json!("1 (415) 555-0199"), PassedOn("dst", json!("14155550199"))),
        ("dst", json!("nobody"), Refused("phone.not_e164")),
        ("text", json!("other"), PassedOn("text", json!("other"))),
        ("text", json!(["other"]), Refused("body.wrong_type")),
        ("type", json!("SMS"), PassedOn("type", json!("sms"))),
        ("type", json!("whatsapp"), Refused("body.bad_type")),
        ("media_urls", json!([url]), PassedOn("media_urls", json!([url]))),
        ("media_urls", url.clone(), Refused("body.wrong_type")),
        ("media_ids", json!([medium]), PassedOn("media_ids", json!([medium]))),
        ("media_ids", json!([7]), Refused("body.wrong_type")),
        ("url", json!("https://app.example.com/"), Warned("callback_url.not_relayed")),
        ("url", json!("app.example.com"), Refused("body.bad_callback_url")),
        ("method", json!("GET"), Served),
        ("method", json!("post"), Served),
        ("method", json!("PUT"), Refused("body.bad_callback_method")),
        ("method", json!(1), Refused("body.wrong_type")),
        ("message_expiry", json!(60), Served),
        ("message_expiry", json!("60"), Served),
        ("message_expiry", json!(1), Refused("ttl.out_of_range")),
        ("message_expiry", json!("soon"), Refused("body.wrong_type")),
        ("log", json!("content_only"), PassedOn("log", json!("content_only"))),
        ("log", json!(false), PassedOn("log", json!("false"))),
        ("log", json!("some"), Refused("body.bad_log")),
        ("trackable", json!(true), PassedOn("trackable", json!(true))),
        ("trackable", json!("True"), PassedOn("trackable", json!(true))),
        ("trackable", json!("false"), PassedOn("trackable", json!(false))),
        ("trackable", json!(1), Refused("body.wrong_type")),
        ("trackable", json!("yes"), Refused("body.wrong_type")),
        ("template", json!({"name": "n", "language": "en"}), Refused("body.not_served")),
        ("interactive", json!({"type": "button"}), Refused("body.not_served")),
        ("location", json!({"latitude": 1, "longitude": 2}), Refused("body.not_served")),
        ("dlt_entity_id", json!("1101"), PassedOn("dlt_entity_id", json!("1101"))),
        ("dlt_entity_id", json!(1101), Refused("body.wrong_type")),
        ("dlt_entity_id", json!("11 01"), Refused("body.bad_dlt")),
        ("dlt_entity_id", json!("1".repeat(65)), Refused("body.bad_dlt")),
        ("dlt_template_id", json!("1107"), PassedOn("dlt_template_id", json!("1107"))),
        ("dlt_template_id", json!("é"), Refused("body.bad_dlt")),
        (
            "dlt_template_category",
            json!("Service_Implicit"),
            PassedOn("dlt_template_category", json!("service_implicit")),
        ),
        ("dlt_template_category", json!("gossip"), Refused("body.bad_dlt")),
        ("callback_url", json!("https://app.example.com/"), Refused("body.not_served")),
        ("callback_method", json!("POST"), Refused("body.not_served")),
        // PHP's second name for the pool, and what is nobody's member.
        ("powerpackUUID", medium, Served),
        ("colour", json!("red"), Warned("body.unknown_field_dropped")),
    ]
}

fn plain() -> Value {
    json!({"src": "14155551212", "dst": "14155550123", "text": "hi"})
}

fn warnings(answered: &Value) -> Vec<&str> {
    let warnings = answered["warnings"].as_array().into_iter().flatten();
    warnings.filter_map(|warning| warning["code"].as_str()).collect()
}

/// One message, as the simulator has it.
fn received(sends: &[Queued]) -> Value {
    let [send] = sends else { panic!("{} messages for one", sends.len()) };
    serde_json::to_value(send).unwrap()
}

#[tokio::test]
async fn every_member_that_plivo_documents_is_passed_on_or_served_or_refused_by_name() {
    let fates = fates();
    let tried: BTreeSet<&str> = fates.iter().map(|(member, ..)| *member).collect();
    let untried: Vec<_> = DOCUMENTED.iter().filter(|member| !tried.contains(*member)).collect();
    assert!(untried.is_empty(), "members without a line in the table: {untried:?}");
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for (nth, (member, value, fate)) in fates.iter().enumerate() {
        plivo.clear();
        let mut body = plain();
        body["text"] = format!("hi {nth}").into();
        if *member == "powerpack_uuid" {
            body["src"] = Value::Null;
        }
        body[*member] = value.clone();

        let answer = post(&sidecar, &body.to_string()).await;

        match fate {
            PassedOn(name, wanted) => {
                let answered = answer.expect(202);
                let sent = received(&plivo.sends());
                assert_eq!(&sent[*name], wanted, "{member}: {value}; Plivo received {sent}");
                assert_eq!(warnings(&answered), [""; 0], "{member}: {value}: {answer}");
            }
            Served => {
                let answered = answer.expect(202);
                received(&plivo.sends());
                assert_eq!(warnings(&answered), [""; 0], "{member}: {value}: {answer}");
            }
            Warned(code) => {
                let answered = answer.expect(202);
                received(&plivo.sends());
                assert_eq!(warnings(&answered), [*code], "{member}: {value}: {answer}");
            }
            Refused(code) => {
                let error = answer.expect(400)["error"].as_str().unwrap_or_default().to_owned();
                assert!(error.starts_with(member), "{member}: {value}: {answer}");
                assert!(error.contains(&format!("({code})")), "{member}: {value}: {answer}");
                assert_eq!(plivo.requests().len(), 0, "{member}: {value} was refused and sent");
            }
        }
    }
    // What is not given is no wish, however it is written.
    for nothing in [json!(null), json!("")] {
        plivo.clear();
        let mut body = plain();
        for member in DOCUMENTED.iter().filter(|member| !["src", "dst", "text"].contains(member)) {
            body[*member] = nothing.clone();
        }
        body["text"] = format!("nothing is {nothing}").into();
        let answer = post(&sidecar, &body.to_string()).await;
        assert_eq!(warnings(&answer.expect(202)), [""; 0], "{answer}");
        received(&plivo.sends());
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_remark_on_several_messages_stands_once() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let mut body = plain();
    body["dst"] = "14155550123<14155550199".into();
    body["url"] = "https://app.example.com/".into();

    let answer = post(&sidecar, &body.to_string()).await;

    assert_eq!(warnings(&answer.expect(202)), ["callback_url.not_relayed"], "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_the_regulator_is_told_outlives_the_process_and_is_shown() {
    let plivo = plivo().await;
    let breaker = json!({"failures": 1, "open_s": 300});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    plivo.fail(plivo_sim::Outage::Refuse).await;
    let sidecar = Sidecar::start(setup.clone().set("delivery.compat_wait_ms", 0)).await;
    // Once it is known that Plivo is away, none is in the middle of a call when the process is killed.
    let mut first = plain();
    first["text"] = "finds out".into();
    post(&sidecar, &first.to_string()).await.expect(202);
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    let dlt = json!({"dlt_entity_id": "1101", "dlt_template_id": "1107", "dlt_template_category": "promotional"});
    let mut body = plain();
    body.as_object_mut().unwrap().extend(dlt.as_object().unwrap().clone());
    let sent = post(&sidecar, &body.to_string()).await.expect(202);
    let id = sent["message_uuid"][0].as_str().expect("an id").to_owned();
    let folder = sidecar.kill().await;
    plivo.restore().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    let sent = async || plivo.sends().into_iter().find(|send| send.text == "hi");
    let received = serde_json::to_value(eventually("it is sent", sent).await).unwrap();
    let shown = sidecar.get(&format!("{ACCOUNT}/{id}/")).await.expect(200);
    for (member, wanted) in dlt.as_object().unwrap() {
        assert_eq!((&received[member], &shown[member]), (wanted, wanted), "{member}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sender_is_read_as_plivo_reads_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let given = ["Acme Inc", "ACME-Inc.", "123-456", "+1 (415) 555-1212", "14155551212"];
    for (nth, src) in given.into_iter().enumerate() {
        let body = json!({"src": src, "dst": "447400123459", "text": format!("n{nth}")});
        post(&sidecar, &body.to_string()).await.expect(202);
    }
    let sent: Vec<String> = plivo.sends().into_iter().map(|send| send.src).collect();
    assert_eq!(sent, ["AcmeInc", "ACMEInc", "123456", "14155551212", "14155551212"]);
    for src in ["-", "Twelve Letters"] {
        let body = json!({"src": src, "dst": "447400123459", "text": "x"});
        let answer = post(&sidecar, &body.to_string()).await;
        assert!(answer.expect(400)["error"].as_str().unwrap().contains("src"), "{answer}");
    }
    sidecar.stop().await;
}
