//! Delivery reports, received over a socket.

use std::time::Duration;

use plivo_sim::{Callbacks, PlivoSim, ReportError, SimConfig, State, signature};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::PATIENCE;
use crate::wire::{MESSAGES, SMS, call, send};

/// One report as it came.
#[derive(Debug)]
pub(crate) struct Report {
    method: String,
    target: String,
    head: String,
    pub(crate) params: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
        line.map_or("", |line| &line[name.len() + 2..])
    }
}

/// Takes one report and answers it with `status`.
pub(crate) async fn take(listener: &TcpListener, status: u16) -> Report {
    let (mut stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let report = read(&mut stream).await;
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    report
}

async fn read(stream: &mut TcpStream) -> Report {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the report broke off");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.is_none_or(|length| length.parse() == Ok(body.len())) {
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let encoded = if method == "GET" { target.split_once('?').unwrap().1 } else { body };
            let params = url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect();
            return Report {
                method: method.into(),
                target: target.into(),
                head: head.into(),
                params,
            };
        }
    }
}

pub(crate) fn sms(listener: &TcpListener, path: &str, method: &str) -> (String, String) {
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let body = json!({"src": "14155551212", "dst": "14155550123", "text": "hi", "url": url, "method": method});
    (url, body.to_string())
}

pub(crate) async fn with(callbacks: Callbacks) -> (PlivoSim, TcpListener) {
    let callback_retry = Duration::from_millis(1);
    let sim =
        PlivoSim::start(SimConfig { callbacks, callback_retry, ..SimConfig::default() }).await;
    (sim, TcpListener::bind("127.0.0.1:0").await.unwrap())
}

#[tokio::test]
async fn a_message_is_followed_to_its_delivery() {
    let (sim, listener) = with(Callbacks::Auto {
        sent_after: Duration::from_millis(1),
        delivered_after: Duration::from_millis(1),
    })
    .await;
    let (_, body) = sms(&listener, "/cb", "POST");
    let uuid = send(&sim, &body).await.json()["message_uuid"][0].as_str().unwrap().to_owned();

    let mut statuses = Vec::new();
    for _ in 0..3 {
        let report = take(&listener, 200).await;
        assert_eq!(report.param("MessageUUID"), uuid);
        statuses.push((report.param("Sequence").to_owned(), report.param("Status").to_owned()));
    }

    // Reports may overtake each other; `Sequence` says how they belong.
    statuses.sort();
    let expected = [("1", "queued"), ("2", "sent"), ("3", "delivered")];
    assert_eq!(
        statuses,
        expected.map(|(sequence, status)| (sequence.to_owned(), status.to_owned()))
    );
    let details = call(&sim, "GET", &format!("{MESSAGES}{uuid}/"), "").await.json();
    assert_eq!(
        (&details["message_state"], &details["error_code"]),
        (&json!("delivered"), &json!("000"))
    );
    sim.stop().await;
}

#[tokio::test]
async fn a_report_has_plivos_parameters_and_all_four_signatures() {
    let (sim, listener) = with(Callbacks::Manual).await;
    let (url, body) = sms(&listener, "/cb/1?tenant=7", "POST");
    send(&sim, &body).await;
    let uuid = sim.sends()[0].message_uuid.clone();
    let path = format!("/_sim/callback?id={uuid}&status=failed&error_code=200");

    let (answer, report) = tokio::join!(call(&sim, "POST", &path, ""), take(&listener, 204));

    assert_eq!(answer.json(), json!({"sequence": 1, "answered": 204, "failure": null}));
    assert_eq!((report.method.as_str(), report.target.as_str()), ("POST", "/cb/1?tenant=7"));
    for (name, value) in [
        ("MessageUUID", uuid.as_str()),
        ("ParentMessageUUID", &uuid),
        ("From", "14155551212"),
        ("To", "14155550123"),
        ("Status", "failed"),
        ("ErrorCode", "200"),
        ("Units", "1"),
        ("TotalRate", "0.00500"),
        ("Type", "sms"),
        ("PartInfo", "1 of 1"),
    ] {
        assert_eq!(report.param(name), value, "{name} in {:?}", report.params);
    }
    let nonce = report.header("x-plivo-signature-v3-nonce");
    assert!(nonce.len() == 20 && nonce.bytes().all(|b| b.is_ascii_digit()), "{nonce}");
    assert_eq!(nonce, report.header("x-plivo-signature-v2-nonce"));
    let (v2, v3) = (
        signature::v2("TOKEN", &url, nonce),
        signature::v3("TOKEN", "POST", &url, &report.params, nonce),
    );
    for (name, signature) in [("v2", &v2), ("ma-v2", &v2), ("v3", &v3), ("ma-v3", &v3)] {
        assert_eq!(report.header(&format!("x-plivo-signature-{name}")), signature, "{name}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_report_by_get_has_its_parameters_in_the_query() {
    let (sim, listener) = with(Callbacks::Manual).await;
    let (url, body) = sms(&listener, "/cb", "GET");
    send(&sim, &body).await;
    let uuid = sim.sends()[0].message_uuid.clone();

    let (reported, report) =
        tokio::join!(sim.report(&uuid, State::Delivered, None), take(&listener, 200));

    assert_eq!(reported.unwrap().answer.unwrap(), 200);
    assert_eq!((report.method.as_str(), report.param("Status")), ("GET", "delivered"));
    assert!(report.target.starts_with("/cb?MessageUUID="), "{}", report.target);
    let nonce = report.header("x-plivo-signature-v3-nonce");
    let expected = signature::v3("TOKEN", "GET", &url, &report.params, nonce);
    assert_eq!(report.header("x-plivo-signature-v3"), expected);
    sim.stop().await;
}

#[tokio::test]
async fn a_report_that_was_not_taken_is_sent_three_times_more() {
    let (sim, listener) = with(Callbacks::Manual).await;
    let (_, body) = sms(&listener, "/cb", "POST");
    send(&sim, &body).await;
    let uuid = sim.sends()[0].message_uuid.clone();

    let (reported, first) =
        tokio::join!(sim.report(&uuid, State::Sent, None), take(&listener, 500));
    let again =
        [take(&listener, 500).await, take(&listener, 302).await, take(&listener, 500).await];

    assert_eq!(reported.unwrap().answer.unwrap(), 500);
    for report in &again {
        assert_eq!(report.param("Sequence"), first.param("Sequence"), "a retry is the same report");
        assert_ne!(
            report.header("x-plivo-signature-v3-nonce"),
            first.header("x-plivo-signature-v3-nonce")
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_report_that_cannot_be_sent_says_why() {
    let (off, _) = with(Callbacks::Off).await;
    send(&off, SMS).await;
    let uuid = off.sends()[0].message_uuid.clone();
    assert!(matches!(off.report(&uuid, State::Sent, None).await, Err(ReportError::Off)));
    off.stop().await;

    let (sim, _) = with(Callbacks::Manual).await;
    assert!(matches!(
        sim.report("nobody", State::Sent, None).await,
        Err(ReportError::UnknownMessage)
    ));
    send(&sim, SMS).await;
    let uuid = sim.sends()[0].message_uuid.clone();
    assert!(matches!(sim.report(&uuid, State::Sent, None).await, Err(ReportError::NoUrl)));
    let secure = json!({"src": "14155551212", "dst": "14155550123", "text": "hi", "url": "https://example.com/cb"});
    send(&sim, &secure.to_string()).await;
    let uuid = sim.sends()[1].message_uuid.clone();
    let reported = sim.report(&uuid, State::Sent, None).await.unwrap();
    assert!(matches!(reported.answer, Err(ReportError::Scheme)), "{reported:?}");
    for query in ["id=x", "id=x&status=gone", "id=x&status=sent&extra=1"] {
        assert_eq!(
            call(&sim, "POST", &format!("/_sim/callback?{query}"), "").await.status,
            400,
            "{query}"
        );
    }
    sim.stop().await;
}
