//! What goes out.

use std::time::Duration;

use message::{MediaUrl, Message, Sender};
use plivo_client::{Log, Outcome, Outgoing};
use plivo_sim::Authorization;
use serde_json::json;

use crate::{PATIENCE, credentials, plivo, send, sms};

#[tokio::test]
async fn a_send_is_one_plain_http_request() {
    let (sim, client) = plivo().await;

    let outcome = send(&client).await;

    let Outcome::Accepted(receipt) = outcome else { panic!("{outcome:?}") };
    let sends = sim.sends();
    assert_eq!(sends.len(), 1);
    assert_eq!(
        (&receipt.message_uuid, receipt.api_id.as_ref()),
        (&sends[0].message_uuid, Some(&sends[0].api_id))
    );
    assert!(receipt.extra_uuids.is_empty());
    let seen = &sim.requests()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/")
    );
    assert_eq!(seen.authorization, Authorization::Valid);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
    assert!(
        seen.header("user-agent").is_some_and(|agent| agent.starts_with("sendgate/")),
        "{:?}",
        seen.headers
    );
    for absent in
        ["transfer-encoding", "accept-encoding", "traceparent", "expect", "cookie", "referer"]
    {
        assert_eq!(seen.header(absent), None, "{absent}");
    }
    let body =
        json!({"src": "+14155551212", "dst": "+14155550123", "text": "hello there", "type": "sms"});
    assert_eq!(seen.json(), body);
    sim.stop().await;
}

#[tokio::test]
async fn everything_that_can_be_said_reaches_plivo() {
    let (sim, client) = plivo().await;
    let message = Message {
        sender: Sender::Pool("86bbb125-97bb-4d72-89fd-81d5c515b015".to_owned()),
        text: "Grüße 🙂".to_owned(),
        media_urls: vec![
            MediaUrl::parse("https://cdn.example.com/a.jpg?x=1", "/media_urls/0").unwrap().0,
        ],
        media_ids: vec!["801c2056-33ab-499c-80ef-58b574a462a2".to_owned()],
        ..sms()
    };
    let outgoing = Outgoing {
        callback_url: Some("https://sms.example.com/callbacks/1"),
        ttl: Some(Duration::from_secs(120)),
        log: Log::Nothing,
        trackable: true,
        ..Outgoing::new(&message)
    };

    let outcome = client.send(&credentials(), outgoing, PATIENCE).await;

    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let queued = &sim.sends()[0];
    assert_eq!(queued.powerpack_uuid, "86bbb125-97bb-4d72-89fd-81d5c515b015");
    assert_eq!(
        (queued.src.as_str(), queued.text.as_str(), queued.kind.as_str()),
        ("", "Grüße 🙂", "mms")
    );
    assert_eq!(queued.media_urls, ["https://cdn.example.com/a.jpg?x=1"]);
    assert_eq!(queued.media_ids, ["801c2056-33ab-499c-80ef-58b574a462a2"]);
    assert_eq!(
        (queued.url.as_deref(), queued.method.as_str()),
        (Some("https://sms.example.com/callbacks/1"), "POST")
    );
    assert_eq!(
        (queued.message_expiry, queued.log.as_str(), queued.trackable),
        (Some(120), "false", true)
    );
    sim.stop().await;
}
