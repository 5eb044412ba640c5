use serde_json::json;

use super::*;

fn read(body: &Value) -> Result<Send, String> {
    Send::read(body.to_string().as_bytes(), TextLength::Characters)
}

/// `{src, dst, text}` with `changes` over it.
fn body(changes: Value) -> Value {
    let mut body = json!({"src": "+14155551212", "dst": "+14155550123", "text": "hi"});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn error(changes: Value) -> String {
    read(&body(changes.clone())).err().unwrap_or_else(|| panic!("taken: {changes}"))
}

#[test]
fn what_the_seven_sdks_send_is_taken() {
    for sent in [
        r#"{"dst": "+14150000002", "text": "Hello \u00e9 \u20ac", "src": "+14150000001", "type": "sms", "method": "POST", "log": "true", "trackable": false}"#,
        r#"{"src":"+14150000001","dst":"+14150000002","text":"Hello é €"}"#,
        "{\"src\":\"+14150000001\",\"dst\":\"+14150000002\",\"text\":\"\\u003cb\\u003e\"}\n",
        r#"{"src":"+14150000001","text":"Hello é €","powerpack_uuid":null,"dst":"+14150000002"}"#,
        r#"{"dst":"14150000002<14150000003","type":"mms","media_urls":["https:\/\/example.com\/a.jpg"],"url":"https:\/\/example.com\/cb\/","log":false,"src":"14150000001","text":"p"}"#,
        r#"{"text":"p","type":"MMS","url":"https://example.com/cb/","method":"POST","log":"false","media_urls":["https://example.com/a.jpg"],"src":"14150000001","dst":"14150000002<14150000003"}"#,
        r#"{"src":"+14150000001","dst":"+14150000002","text":"Hello é €","log":""}"#,
        r#"{"dst":"14150000002","text":"x","powerpack_uuid":"86bbb125-97bb-4d72-89fd-81d5c515b015","powerpackUUID":"86bb"}"#,
    ] {
        let read = Send::read(sent.as_bytes(), TextLength::Characters);
        assert!(read.is_ok(), "{sent}: {:?}", read.err());
    }
}

#[test]
fn known_texts_of_errors_are_plivos_own() {
    assert_eq!(error(json!({"dst": "+1111111"})), "'1111111' is not a valid phone number.");
    let read = Send::read(b"src=1&dst=2", TextLength::Characters);
    assert_eq!(read.err().as_deref(), Some("invalid json data sent in raw POST"));
    let long = error(json!({"text": "ж".repeat(738)}));
    assert_eq!(long, "text parameter length exceeds 737 unicode characters");
    assert_eq!(error(json!({"dst": null})), "dst parameter is missing");
    assert_eq!(error(json!({"src": ""})), "src parameter is missing");
    assert_eq!(error(json!({"text": ""})), "text parameter is missing");
}

#[test]
fn members_out_of_bounds_are_refused() {
    for changes in [
        json!({"type": "fax"}),
        json!({"powerpack_uuid": "86bbb125"}),
        json!({"src": "TwelveLetter"}),
        json!({"dst": ["14155550123"]}),
        json!({"dst": 14155550123_u64}),
        json!({"dst": "['14150000002', '14150000003']"}),
        json!({"dst": "+14155551212"}),
        json!({"method": "PUT"}),
        json!({"url": "ftp://example.com/"}),
        json!({"log": "yes"}),
        json!({"trackable": 1}),
        json!({"message_expiry": 4}),
        json!({"message_expiry": 10_801}),
        json!({"media_urls": "https://example.com/a.jpg"}),
        json!({"media_urls": vec!["https://example.com/a.jpg"; 6], "media_ids": vec!["m"; 5]}),
        json!({"type": "mms", "dst": "+447700900123"}),
        json!({"type": "mms", "dst": "+18765550123"}),
    ] {
        error(changes);
    }
}

#[test]
fn bulk_drops_duplicates_and_names_what_is_no_number() {
    let send =
        read(&body(json!({"dst": "+1 (415) 555-0123<14155550123<12<447700900123"}))).ok().unwrap();
    assert_eq!(send.recipients, ["14155550123", "447700900123"]);
    assert_eq!(send.invalid, ["12"]);
    assert_eq!(error(json!({"dst": "12<13"})), "'12' is not a valid phone number.");
}

#[test]
fn a_thousand_recipients_are_taken_and_one_more_is_not() {
    let many = |count: u32| {
        let numbers: Vec<String> = (0..count).map(|n| format!("1415555{n:04}")).collect();
        read(&body(json!({"dst": numbers.join("<")})))
    };
    assert_eq!(many(1_000).ok().unwrap().recipients.len(), 1_000);
    assert!(many(1_001).is_err());
}
