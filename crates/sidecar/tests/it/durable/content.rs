//! What is kept of numbers and texts once their message has left.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Answer, Folder, Policy, Setup, Sidecar, plivo};

const NUMBER: &str = "+14155550177";
const TEXT: &str = "a word nobody else would write: quincunx";

/// The files in which `word` stands, but for the configuration.
fn found(folder: &Folder, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let (name, bytes) =
            (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap());
        let stands = bytes.windows(word.len()).any(|window| window == word.as_bytes());
        if stands && name != "sidecar.toml" {
            found.push(name);
        }
    }
    found
}

/// A durable sidecar whose policies remember messages by recipient and by content.
fn setup(plivo: &plivo_sim::PlivoSim, keep: &str) -> Setup {
    let limits = json!({"limits": [
        {"name": "recipient", "scope": "recipient", "quota": 5, "per_s": 600},
        {"name": "pair", "scope": "pair", "quota": 30, "per_s": 30},
    ]});
    Setup::standard(plivo)
        .durable()
        .set("store.text", keep)
        .set("store.numbers", keep)
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(limits))
}

#[tokio::test]
async fn after_submission_files_and_records_have_of_numbers_and_texts_what_the_operator_wants() {
    for (keep, shown, hashed) in
        [("full", true, false), ("hash", false, true), ("none", false, false)]
    {
        let plivo = plivo().await;
        let sidecar = Sidecar::start(setup(&plivo, keep)).await;
        let request =
            sidecar.post("/v1/messages").key("k1").json(&json!({"to": NUMBER, "text": TEXT}));
        let body = request.answer().await.expect(202);

        let record = sidecar.in_status(body["id"].as_str().unwrap(), "submitted").await;

        let whole = |word: &str| if shown { json!(word) } else { Value::Null };
        assert_eq!(
            (&record["to"], &record["text"]),
            (&whole(NUMBER), &whole(TEXT)),
            "{keep}: {record}"
        );
        for hash in ["to_hash", "text_hash"] {
            assert_eq!(record[hash].is_string(), hashed, "{keep}: {hash} of {record}");
        }
        let listed = sidecar.get(&format!("/v1/messages?to=%2B{}", &NUMBER[1..])).await;
        if shown || hashed {
            assert_eq!(listed.expect(200)["messages"].as_array().map(Vec::len), Some(1), "{keep}");
        } else {
            let errors = listed.refused(400, "body.bad_filter")["errors"].to_string();
            assert!(errors.contains("no number is kept"), "{errors}");
        }
        let folder = Arc::clone(&sidecar.folder);
        sidecar.stop().await;
        for word in [&NUMBER[1..], "quincunx"] {
            let found = found(&folder, word);
            assert_eq!(!found.is_empty(), shown, "{keep}: {word} stands in {found:?}");
        }
    }
}

#[tokio::test]
async fn before_submission_everything_is_kept_that_sending_needs_and_nothing_after_it() {
    let plivo = plivo().await;
    let setup = setup(&plivo, "none");
    let sidecar = Sidecar::start(setup.clone()).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let id =
        sidecar.queue(&json!({"to": NUMBER, "text": TEXT, "not_before": soon.to_string()})).await;
    sidecar.in_status(&id, "waiting").await;
    let folder = sidecar.kill().await;
    for word in [&NUMBER[1..], "quincunx"] {
        assert!(!found(&folder, word).is_empty(), "{word} is gone before it was sent");
    }

    let sidecar = Sidecar::start_in(Arc::clone(&folder), setup).await;
    sidecar.in_status(&id, "submitted").await;
    sidecar.stop().await;

    assert_eq!(
        (&plivo.sends()[0].dst, plivo.sends()[0].text.as_str()),
        (&NUMBER[1..].to_owned(), TEXT)
    );
    for word in [&NUMBER[1..], "quincunx"] {
        let found = found(&folder, word);
        assert!(found.is_empty(), "{word} stands in {found:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_kept_under_its_key_keeps_no_number_either() {
    for keep in ["hash", "none"] {
        let plivo = plivo().await;
        let setup = setup(&plivo, keep);
        let sidecar = Sidecar::start(setup.clone()).await;
        let request = json!({"to": [NUMBER, "+14155550188"], "text": TEXT});
        let keyed = |sidecar: &Sidecar| sidecar.post("/v1/messages").key("k1").json(&request);
        let first = keyed(&sidecar).answer().await;
        for message in first.expect(202)["messages"].as_array().unwrap() {
            sidecar.in_status(message["id"].as_str().unwrap(), "submitted").await;
        }
        let folder = Arc::clone(&sidecar.folder);
        sidecar.stop().await;

        for word in [&NUMBER[1..], "4155550188", "quincunx"] {
            let found = found(&folder, word);
            assert!(found.is_empty(), "{keep}: {word} stands in {found:?}");
        }
        let sidecar = Sidecar::start_in(folder, setup).await;
        let again = keyed(&sidecar).answer().await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
        let ids = |answer: &Answer| {
            let body = answer.json();
            let ids = body["messages"].as_array().unwrap().iter();
            ids.map(|message| message["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&again), ids(&first));
        assert_eq!(plivo.sends().len(), 2);
        sidecar.stop().await;
    }
}
