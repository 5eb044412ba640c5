//! Bodies that are no request.

use serde_json::{Value, json};

use super::{head, status, still_serves};
use crate::harness::{Connection, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_place_and_without_its_content() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let nested = "[".repeat(60_000);
    for body in [
        &br#"{"to":"+14155550123","text":"swordfish"#[..],
        br#"{"to":"+14155550123","text":"swordfish\ud83d"}"#,
        b"{\"to\":\"+14155550123\",\"text\":\"swordfish\xff\xfe\"}",
        b"{\"to\":\"+14155550123\",\"text\":\"swordfish\nraw\"}",
        br#"{"to":"+14155550123","text":"swordfish"} {}"#,
        br#"{"to":"+14155550123","text":'swordfish'}"#,
        b"\xef\xbb\xbf{\"to\":\"+14155550123\",\"text\":\"swordfish\"}",
        b"to=%2B14155550123&text=swordfish",
        b"",
        nested.as_bytes(),
    ] {
        let answer = sidecar.post("/v1/messages").body(body).answer().await;
        let body = answer.refused(400, "body.bad_json");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("line ")), "{answer}");
        assert!(!answer.text.contains("swordfish"), "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_member_that_stands_twice_is_refused_by_its_pointer() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = r#"{"to":"+14155550123","text":"hi","to":"+14155550199","tags":{"a":"1","a":"2"}}"#;

    let answer = sidecar.post("/v1/messages").body(body).answer().await;

    let errors = answer.refused(400, "body.duplicate_key")["errors"].clone();
    let pointers: Vec<&Value> =
        errors.as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/to", "/tags/a"]);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_member_of_the_wrong_type_is_refused_and_never_converted() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for (member, value, pointer) in [
        ("to", json!(14_155_550_123_u64), "/to"),
        ("to", json!({"number": TO}), "/to"),
        ("to", json!([TO, 14_155_550_123_u64]), "/to/1"),
        ("to", json!(true), "/to"),
        ("text", json!(7), "/text"),
        ("text", json!(["hi"]), "/text"),
        ("from", json!(12345), "/from"),
        ("media_urls", json!("https://cdn.example.com/a.jpg"), "/media_urls"),
        ("media_urls", json!([["https://cdn.example.com/a.jpg"]]), "/media_urls/0"),
        ("media_ids", json!([1]), "/media_ids/0"),
        ("ttl_s", json!("60"), "/ttl_s"),
        ("ttl_s", json!(60.5), "/ttl_s"),
        ("ttl_s", json!(60.0), "/ttl_s"),
        ("ttl_s", json!(-60), "/ttl_s"),
        ("ttl_s", json!(1e30), "/ttl_s"),
        ("tags", json!(["a"]), "/tags"),
        ("tags", json!({"a": 1}), "/tags/a"),
        ("intent", json!(1), "/intent"),
    ] {
        let mut request = json!({"to": TO, "text": "hi"});
        request[member] = value;
        let answer = sidecar.send(&request).await;
        let errors = answer.refused(400, "body.wrong_type")["errors"].clone();
        assert_eq!(
            (errors.as_array().map(Vec::len), &errors[0]["pointer"]),
            (Some(1), &json!(pointer)),
            "{answer}"
        );
    }
    for body in ["[]", "\"text\"", "null", "5", "true"] {
        for route in [
            "/v1/messages",
            "/mms/send",
            "/v1/explain",
            "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/",
        ] {
            let answer = sidecar.post(route).body(body).answer().await;
            assert_eq!(answer.status, 400, "{answer}");
        }
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_separator_of_recipients_is_none_outside_plivos_door() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for to in [
        "+14155550123<14155550199",
        "+14155550123<",
        "+14155550123,+14155550199",
        "+14155550123;+14155550199",
    ] {
        let native = sidecar.send(&json!({"to": to, "text": "hi"})).await;
        assert_eq!(
            (native.status, native.json()["code"].as_str().map(|code| &code[..6])),
            (400, Some("phone.")),
            "{native}"
        );
        let listed = sidecar.send(&json!({"to": [to], "text": "hi"})).await;
        assert_eq!(listed.status, 400, "{listed}");
        let seed = json!({"recipient": to, "message": "hi", "mediaUrls": ["https://cdn.example.com/a.jpg"]});
        let seed = sidecar.post("/mms/send").json(&seed).answer().await;
        assert_eq!(seed.status, 400, "{seed}");
    }
    assert_eq!(plivo.requests().len(), 0);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn line_ends_in_a_field_that_becomes_a_header_or_a_number_are_refused() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for (member, value) in [
        ("to", json!("+14155550123\r\nX-Evil: 1")),
        ("from", json!("+14155551212\r\nX-Evil: 1")),
        ("intent", json!("otp\r\nX-Evil: 1")),
        ("powerpack_uuid", json!("86bbb125-97bb-4d72-89fd-81d5c515b015\r\n")),
        ("media_urls", json!(["https://cdn.example.com/a.jpg\r\nX-Evil: 1"])),
        ("callback_url", json!("https://app.example.com/\r\nX-Evil: 1")),
        ("callback_url", json!("https://app.exam\tple.com/")),
        ("callback_url", json!(" https://app.example.com/")),
        ("callback_url", json!("https:\\\\app.example.com/")),
    ] {
        let mut request = json!({"to": TO, "text": "hi"});
        request[member] = value;
        let answer = sidecar.send(&request).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.header("x-evil").is_none(), "{answer}");
    }
    assert_eq!(plivo.requests().len(), 0);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_large_body_is_refused_and_so_is_one_of_another_kind() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let large = vec![b' '; 10 << 20];

    for route in ["/v1/messages", "/mms/send", "/v1/explain"] {
        let answer = sidecar.post(route).body(large.clone()).answer().await;
        assert_eq!(answer.status, 413, "{answer}");
    }
    let hi = json!({"to": TO, "text": "hi"});
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""]
    {
        let request = sidecar.post("/v1/messages").header("content-type", content_type).json(&hi);
        request.answer().await.refused(415, "body.content_type");
    }
    sidecar
        .post("/v1/messages")
        .untyped()
        .json(&hi)
        .answer()
        .await
        .refused(415, "body.content_type");
    let packed =
        sidecar.post("/v1/messages").header("content-encoding", "gzip").json(&hi).answer().await;
    packed.refused(415, "body.content_encoding");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn who_writes_a_large_body_before_reading_is_told_what_is_wrong_whatever_that_is() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let large = vec![b' '; 10 << 20];
    let good = head(&format!("Content-Length: {}\r\n\r\n", large.len()));
    let path = |path: &str| good.replace("/v1/messages", path);
    for (address, head, wanted) in [
        (sidecar.apps, path("/nope"), 404),
        (sidecar.apps, good.replace("POST", "PUT"), 405),
        (sidecar.apps, path("/v1/limits"), 405),
        (sidecar.apps, good.replace("Bearer", "Nobody"), 401),
        (sidecar.apps, good.replace("127.0.0.1", "evil.example"), 403),
        (sidecar.apps, path("/v1/messages?x=1"), 400),
        (sidecar.admin, path("/nope"), 404),
        (sidecar.admin, path("/policies"), 405),
    ] {
        let mut connection = Connection::open(address).await;
        connection.send(&head).await;
        connection.send(&large).await;
        let answer = connection.rest().await;
        assert_eq!(status(&answer), wanted, "{head}\ngot\n{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_faulty_key_is_told_with_a_body_that_cannot_be_read() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for (body, codes) in [
        ("xxx", &["body.bad_json", "idem.bad_key"][..]),
        ("{\"to\": 1, \"text\": \"hi\"}", &["body.wrong_type", "idem.bad_key"]),
    ] {
        let request = sidecar.post("/v1/messages").header("idempotency-key", "");
        let answer = request.body(body).answer().await;
        assert_eq!(answer.status, 400, "{answer}");
        assert_eq!(answer.codes()[1..], *codes, "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn more_recipients_than_one_call_takes_are_refused_whole() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let to: Vec<String> = (0..1_001).map(|nth| format!("+1415555{nth:04}")).collect();

    sidecar.send(&json!({"to": to, "text": "hi"})).await.refused(400, "phone.too_many");
    sidecar.send(&json!({"to": [], "text": "hi"})).await.refused(400, "phone.missing");

    still_serves(sidecar, &plivo).await;
}
