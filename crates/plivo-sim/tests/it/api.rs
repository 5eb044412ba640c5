//! What Plivo documents.

use std::io::Write as _;

use plivo_sim::{Authorization, PlivoSim, SimConfig, TextLength};
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::wire::{BASIC, MESSAGES, SMS, call, exchange, send};

#[tokio::test]
async fn a_send_is_queued_and_answered_in_plivos_words() {
    let sim = PlivoSim::start(SimConfig::default()).await;

    let answer = send(&sim, SMS).await;

    assert_eq!(answer.status, 202);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let body = answer.json();
    assert_eq!(body["message"], "message(s) queued");
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["api_id", "message", "message_uuid"]
    );
    let sends = sim.wait_for_sends(1, PATIENCE).await.unwrap();
    assert_eq!(body["message_uuid"], json!([sends[0].message_uuid]));
    assert_eq!((sends[0].dst.as_str(), sends[0].src.as_str()), ("14155550123", "14155551212"));
    assert_eq!((sends[0].text.as_str(), sends[0].kind.as_str()), ("hi", "sms"));
    assert_eq!(sim.requests()[0].authorization, Authorization::Valid);
    sim.stop().await;
}

#[tokio::test]
async fn paths_are_taken_with_folded_slashes_and_without_the_last_one() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    for path in [MESSAGES.trim_end_matches('/'), "//v1/Account//MAXXXXXXXXXXXXXXXXXX/Message//"] {
        assert_eq!(call(&sim, "POST", path, SMS).await.status, 202, "{path}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn bulk_queues_one_message_a_number_and_names_the_bad_ones() {
    let sim = PlivoSim::start(SimConfig::default()).await;

    let bulk =
        r#"{"src":"14155551212","dst":"14155550123\u003c+14155550123<12<14155550124","text":"hi"}"#;
    let answer = send(&sim, bulk).await;

    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["invalid_number"], json!(["12"]));
    assert_eq!(answer.json()["message_uuid"].as_array().unwrap().len(), 2);
    let numbers: Vec<String> = sim.sends().into_iter().map(|queued| queued.dst).collect();
    assert_eq!(numbers, ["14155550123", "14155550124"]);
    sim.stop().await;
}

#[tokio::test]
async fn errors_have_plivos_form() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let address = sim.address();

    let unknown = exchange(address, "POST", MESSAGES, "", SMS.as_bytes()).await;
    assert_eq!(unknown.status, 401);
    assert_eq!(unknown.json(), json!({"error": "authentication credentials were not provided"}));
    let wrong =
        exchange(address, "POST", MESSAGES, "authorization: Basic eDp5\r\n", SMS.as_bytes()).await;
    assert_eq!(wrong.status, 401);
    let foreign = call(&sim, "POST", "/v1/Account/MAYYYYYYYYYYYYYYYYYY/Message/", SMS).await;
    assert_eq!(foreign.status, 401);
    let broken = send(&sim, "{\"src\":").await;
    assert_eq!(
        (broken.status, broken.error().as_str()),
        (400, "invalid json data sent in raw POST")
    );
    let number = send(&sim, r#"{"src":"14155551212","dst":"+1111111","text":"hi"}"#).await;
    assert_eq!(
        (number.status, number.error().as_str()),
        (400, "'1111111' is not a valid phone number.")
    );
    assert!(number.json()["api_id"].is_string(), "{}", number.body);
    assert_eq!(call(&sim, "GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Call/", "").await.status, 404);
    assert_eq!(call(&sim, "GET", &format!("{MESSAGES}unknown/"), "").await.error(), "not found");
    let method = call(&sim, "DELETE", MESSAGES, "").await;
    assert_eq!(method.status, 405);
    assert!(method.head.contains("allow: get, post"), "{}", method.head);
    assert_eq!(sim.sends(), []);
    let verdicts: Vec<Authorization> =
        sim.requests().iter().map(|seen| seen.authorization).collect();
    assert_eq!(verdicts[..2], [Authorization::Absent, Authorization::Wrong]);
    sim.stop().await;
}

#[tokio::test]
async fn a_body_above_a_mebibyte_is_refused_unread() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let body = format!(r#"{{"src":"1","dst":"2","text":"{}"}}"#, "a".repeat(1024 * 1024));
    let mut stream = tokio::net::TcpStream::connect(sim.address()).await.unwrap();
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: s\r\nauthorization: {BASIC}\r\nexpect: 100-continue\r\ncontent-length: \
         {}\r\n\r\n",
        body.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    assert_eq!(crate::wire::read(&mut stream).await.status, 413);
    sim.stop().await;
}

#[tokio::test]
async fn a_head_above_64_kib_is_refused() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let headers = format!("x-long: {}\r\n", "a".repeat(64 * 1024));
    let mut stream = tokio::net::TcpStream::connect(sim.address()).await.unwrap();
    let head = format!("GET {MESSAGES} HTTP/1.1\r\nhost: s\r\n{headers}");
    // No end of the head is sent, so that nothing is left unread when the answer comes.
    tokio::io::AsyncWriteExt::write_all(&mut stream, &head.as_bytes()[..64 * 1024]).await.unwrap();
    assert_eq!(crate::wire::read(&mut stream).await.status, 431);
    assert_eq!(sim.requests(), []);
    sim.stop().await;
}

#[tokio::test]
async fn details_list_and_account_can_be_read() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let uuid = send(&sim, SMS).await.json()["message_uuid"][0].as_str().unwrap().to_owned();

    let details = call(&sim, "GET", &format!("{MESSAGES}{uuid}/"), "").await.json();
    assert_eq!(details["message_uuid"], uuid);
    assert_eq!(details["resource_uri"], format!("{MESSAGES}{uuid}/"));
    assert_eq!((&details["message_state"], &details["units"]), (&json!("queued"), &json!(1)));
    assert!(details.get("text").is_none(), "Plivo shows no text: {details}");
    let time = details["message_time"].as_str().unwrap();
    assert!(
        time.ends_with("+00:00") && time.len() == "2026-08-01 12:00:00.000000+00:00".len(),
        "{time}"
    );

    let found =
        call(&sim, "GET", &format!("{MESSAGES}?to_number=14155550123&limit=1"), "").await.json();
    assert_eq!(found["objects"][0]["message_uuid"], uuid);
    assert_eq!(found["meta"]["total_count"], 1);
    assert_eq!(call(&sim, "GET", &format!("{MESSAGES}?limit=21"), "").await.status, 400);
    let account = call(&sim, "GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/", "").await;
    assert_eq!((account.status, &account.json()["auth_id"]), (200, &json!("MAXXXXXXXXXXXXXXXXXX")));
    sim.stop().await;
}

#[tokio::test]
async fn an_upload_is_listed_and_found_in_its_message() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let upload = upload(&sim, &[("cat.png", b"PNG!")]).await;
    assert_eq!(upload["objects"][0]["status_code"], 201, "{upload}");
    let id = upload["objects"][0]["media_id"].as_str().unwrap();

    let all = call(&sim, "GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Media/", "").await.json();
    assert_eq!(all["meta"]["total_count"], 1);
    let one = call(&sim, "GET", &format!("/v1/Account/MAXXXXXXXXXXXXXXXXXX/Media/{id}/"), "")
        .await
        .json();
    assert_eq!((&one["file_name"], &one["size"]), (&json!("cat.png"), &json!(4)));

    let mms = json!({"src": "14155551212", "dst": "14155550123", "type": "mms", "media_ids": [id]})
        .to_string();
    let uuid = send(&sim, &mms).await.json()["message_uuid"][0].as_str().unwrap().to_owned();
    let media = call(&sim, "GET", &format!("{MESSAGES}{uuid}/Media//"), "").await.json();
    assert_eq!(
        (&media["objects"][0]["media_id"], &media["objects"][0]["content_type"]),
        (&json!(id), &json!("image/png"))
    );
    sim.stop().await;
}

#[tokio::test]
async fn an_upload_out_of_bounds_is_refused() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let big = vec![0; 2 * 1024 * 1024 + 1];
    for files in [vec![("a", big.as_slice())], vec![("a", b"x".as_slice()); 11], vec![]] {
        let error = upload(&sim, &files).await;
        assert!(error["error"].is_string(), "{} files: {error}", files.len());
    }
    let kept = call(&sim, "GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Media/", "").await.json();
    assert_eq!(kept["meta"]["total_count"], 0);
    sim.stop().await;
}

#[tokio::test]
async fn more_than_300_requests_in_five_seconds_are_refused_when_asked() {
    let sim = PlivoSim::start(SimConfig { rate_limit: true, ..SimConfig::default() }).await;
    let mut good = 0;
    let refused = async {
        loop {
            let answer = call(&sim, "GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/", "").await;
            match answer.status {
                200 => good += 1,
                _ => return answer,
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert_eq!((refused.status, refused.error().as_str()), (429, "too many requests"));
    assert!(good >= 300, "refused after {good}");
    sim.stop().await;
}

#[tokio::test]
async fn texts_are_counted_in_bytes_when_asked() {
    let config = SimConfig { text_length: TextLength::Utf8Bytes, ..SimConfig::default() };
    let sim = PlivoSim::start(config).await;
    let text = "ж".repeat(400);
    let answer =
        send(&sim, &json!({"src": "14155551212", "dst": "14155550123", "text": text}).to_string())
            .await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "text parameter length exceeds 737 unicode characters")
    );
    sim.stop().await;
}

async fn upload(sim: &PlivoSim, files: &[(&str, &[u8])]) -> Value {
    let mut body = Vec::new();
    for (name, bytes) in files {
        write!(body, "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: \
         image/png\r\n\r\n").unwrap();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    let headers =
        format!("authorization: {BASIC}\r\ncontent-type: multipart/form-data; boundary=XX\r\n");
    let path = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Media/";
    exchange(sim.address(), "POST", path, &headers, &body).await.json()
}
