use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::Empty;
use message::MessageId;
use sha2::Sha256;
use store::{Status, Store};

use super::*;
use crate::reports::testing::{
    TOKEN, accounts, found, message, message_under, reports, store, told,
};

const BASE: &str = "https://sms.example.com/plivo";

/// A listener with one message, `m1`, which is `submitted` as `u1`.
struct Desk {
    listener: ReportListener,
    store: Store,
}

/// A report as Plivo sends it.
#[derive(Clone)]
struct Sent {
    method: Method,
    path: String,
    url: String,
    params: Vec<(String, String)>,
    token: &'static str,
    nonce: String,
    headers: &'static [&'static str],
}

impl Desk {
    async fn new(accept_v2: bool) -> Self {
        let store = store();
        message(&store, "m1", Status::Submitted, Some("u1"), None).await;
        let place = CallbackPlace::new(BASE, store.secret());
        let reports = reports(store.clone(), "http://127.0.0.1:9");
        let listener =
            ReportListener::new(place, reports, Arc::default(), Arc::default(), accept_v2, None);
        Self { listener, store }
    }

    /// A report on the first call for a message.
    fn report(&self, id: &str, status: &str, sequence: u32) -> Sent {
        let url = self.listener.place.url(&MessageId(id.into()), 1);
        let path = url.strip_prefix("https://sms.example.com").unwrap().to_owned();
        let params = [
            ("MessageUUID", "u1"),
            ("To", "14155550123"),
            ("Status", status),
            ("Sequence", &sequence.to_string()),
            ("Units", "1"),
            ("TotalAmount", "0.00500"),
            ("ErrorCode", if status == "failed" { "200" } else { "" }),
        ];
        let params = params.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let headers = &["v3", "ma-v3"][..];
        Sent { method: Method::POST, path, url, params, token: TOKEN, nonce, headers }
    }

    async fn answer(&self, sent: &Sent) -> u16 {
        let response = self.listener.answer(sent.request()).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        for secret in ["m1", "u1", "1415", "hello", "delivered"] {
            let shown = String::from_utf8_lossy(&body);
            assert!(!shown.contains(secret), "the answer tells {secret}: {shown}");
        }
        parts.status.as_u16()
    }

    async fn status(&self, id: &str) -> Status {
        found(&self.store, id).await.status
    }

    fn count(&self, came: Came) -> u64 {
        self.listener.tally.shown()[came.as_str()].as_u64().unwrap()
    }
}

impl Sent {
    fn body(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish()
    }

    fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.token.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut sorted = self.params.clone();
        sorted.sort();
        let params: String = sorted.iter().flat_map(|(key, value)| [&**key, value]).collect();
        let v3 = self.sign(&format!("{}?{params}.{}", self.url, self.nonce));
        let v2 = self.sign(&format!("{}{}", self.url, self.nonce));
        let mut request = Request::builder().method(&self.method).uri(&self.path);
        for name in self.headers {
            let signature = if name.ends_with("v3") { &v3 } else { &v2 };
            let version = name.trim_start_matches("ma-");
            request = request
                .header(format!("x-plivo-signature-{name}"), signature)
                .header(format!("x-plivo-signature-{version}-nonce"), &self.nonce);
        }
        request.body(Full::from(self.body())).unwrap()
    }
}

#[tokio::test]
async fn a_report_is_on_disk_before_it_is_answered() {
    let desk = Desk::new(false).await;
    assert_eq!(desk.answer(&desk.report("m1", "delivered", 3)).await, 200);
    let record = found(&desk.store, "m1").await;
    assert_eq!(record.status, Status::Delivered);
    let facts = record.report.unwrap();
    assert_eq!((facts.units, facts.total_amount.as_deref()), (Some(1), Some("0.00500")));
    assert_eq!(told(&desk.store).await, ["submitted", "delivered"]);
    assert_eq!(desk.count(Came::Taken), 1);
}

#[tokio::test]
async fn a_path_without_the_public_urls_own_is_the_same_place() {
    let desk = Desk::new(false).await;
    let mut sent = desk.report("m1", "sent", 2);
    sent.path = sent.path.strip_prefix("/plivo").unwrap().to_owned();
    assert_eq!(desk.answer(&sent).await, 200);
    assert_eq!(desk.status("m1").await, Status::Sent);
}

#[tokio::test]
async fn late_reports_move_nothing_back_and_equal_ones_change_nothing() {
    let desk = Desk::new(false).await;
    for (status, sequence) in [("delivered", 3), ("sent", 2), ("delivered", 3), ("failed", 4)] {
        assert_eq!(desk.answer(&desk.report("m1", status, sequence)).await, 200, "{status}");
        assert_eq!(desk.status("m1").await, Status::Delivered, "{status}");
    }
    assert_eq!(told(&desk.store).await, ["submitted", "delivered"]);
    assert_eq!((desk.count(Came::Taken), desk.count(Came::Again)), (3, 1));
}

#[tokio::test]
async fn a_report_proves_that_a_message_in_doubt_is_at_plivo() {
    let desk = Desk::new(false).await;
    message(&desk.store, "m2", Status::InDoubt, None, None).await;
    let mut sent = desk.report("m2", "queued", 1);
    sent.params[0].1 = "u2".into();
    assert_eq!(desk.answer(&sent).await, 200);
    let record = found(&desk.store, "m2").await;
    assert_eq!((record.status, record.message_uuid.as_deref()), (Status::Submitted, Some("u2")));
}

#[tokio::test]
async fn a_failure_keeps_plivos_code() {
    let desk = Desk::new(false).await;
    assert_eq!(desk.answer(&desk.report("m1", "failed", 2)).await, 200);
    let record = found(&desk.store, "m1").await;
    assert_eq!((record.status, record.error_code.as_deref()), (Status::Failed, Some("200")));
}

#[tokio::test]
async fn a_copy_is_acknowledged_and_ignored() {
    let desk = Desk::new(false).await;
    let sent = desk.report("m1", "sent", 2);
    assert_eq!((desk.answer(&sent).await, desk.answer(&sent).await), (200, 200));
    assert_eq!((desk.count(Came::Taken), desk.count(Came::Replayed)), (1, 1));
}

#[tokio::test]
async fn what_plivo_did_not_sign_is_refused_and_changes_nothing() {
    let desk = Desk::new(false).await;
    let good = desk.report("m1", "delivered", 3);
    let mut body = good.clone();
    body.params[2].1 = "failed".into();
    // Signed for what it was, sent as what it is not.
    let mut forged = body.request();
    *forged.headers_mut() = good.request().headers().clone();
    assert_eq!(desk.listener.answer(forged).await.status(), 403);
    let other_token = good.path.replace("/1/", "/2/");
    for (what, sent) in [
        ("another account's token", Sent { token: "OTHER", ..good.clone() }),
        ("another URL", Sent { url: good.url.replace("sms.", "mms."), ..good.clone() }),
        ("V2 alone", Sent { headers: &["v2", "ma-v2"], ..good.clone() }),
        ("no signature", Sent { headers: &[], ..good.clone() }),
        ("no nonce", Sent { nonce: String::new(), ..good.clone() }),
        ("a long nonce", Sent { nonce: "9".repeat(129), ..good.clone() }),
        ("another path token", Sent { path: other_token, ..good.clone() }),
    ] {
        assert_eq!(desk.answer(&sent).await, 403, "{what}");
    }
    assert_eq!(desk.status("m1").await, Status::Submitted);
    assert_eq!((desk.count(Came::Forged), told(&desk.store).await), (8, vec!["submitted"]));
}

#[tokio::test]
async fn either_v3_header_is_enough_and_v2_where_the_operator_takes_it() {
    for (accept_v2, headers) in [
        (false, &["v3"][..]),
        (false, &["ma-v3"]),
        (false, &["v2", "ma-v2", "v3", "ma-v3"]),
        (true, &["v2"]),
        (true, &["ma-v2"]),
    ] {
        let desk = Desk::new(accept_v2).await;
        let sent = Sent { headers, ..desk.report("m1", "sent", 2) };
        assert_eq!(desk.answer(&sent).await, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_just_replaced_still_signs() {
    let desk = Desk::new(false).await;
    assert_eq!(desk.answer(&desk.report("m1", "queued", 1)).await, 200);
    desk.listener.reports.delivery.use_accounts(accounts("http://127.0.0.1:9", "NEXT", None));
    assert_eq!(desk.answer(&desk.report("m1", "sent", 2)).await, 200);
    let next = Sent { token: "NEXT", ..desk.report("m1", "delivered", 3) };
    assert_eq!(desk.answer(&next).await, 200);
}

#[tokio::test]
async fn a_report_is_signed_with_the_token_of_its_messages_account() {
    let desk = Desk::new(false).await;
    let delivery = &desk.listener.reports.delivery;
    delivery.use_accounts(accounts("http://127.0.0.1:9", TOKEN, Some("EUROPE")));
    let store = &desk.listener.reports.store;
    message_under("europe", store, "m2", Status::Submitted, Some("u2"), None).await;
    let report = |token, id: &str, status, sequence| {
        let mut sent = Sent { token, ..desk.report(id, status, sequence) };
        sent.params[0].1 = id.replace('m', "u");
        sent
    };
    assert_eq!(desk.answer(&report(TOKEN, "m2", "sent", 2)).await, 403, "another account's");
    assert_eq!(desk.answer(&report("EUROPE", "m2", "sent", 2)).await, 200);
    assert_eq!(desk.answer(&report("EUROPE", "m1", "sent", 2)).await, 403);
    // A message that nobody knows may be any account's.
    assert_eq!(desk.answer(&report("EUROPE", "m9", "sent", 2)).await, 200);
    // Its account leaves the configuration: what is on its way is taken all the same.
    delivery.use_accounts(accounts("http://127.0.0.1:9", TOKEN, None));
    assert_eq!(desk.answer(&report("EUROPE", "m2", "delivered", 3)).await, 200);
}

#[tokio::test]
async fn a_message_that_is_not_kept_any_more_is_no_reason_to_come_again() {
    let desk = Desk::new(false).await;
    assert_eq!(desk.answer(&desk.report("m9", "delivered", 3)).await, 200);
    assert_eq!(desk.count(Came::Forgotten), 1);
}

#[tokio::test]
async fn what_is_no_report_is_refused_by_what_is_wrong_with_it() {
    let desk = Desk::new(false).await;
    let good = desk.report("m1", "sent", 2);
    let mut stateless = good.clone();
    stateless.params.remove(2);
    let mut crowded = good.clone();
    crowded.params.extend((0..60).map(|nth| (format!("k{nth}"), String::new())));
    let mut large = good.clone();
    large.params.push(("Text".into(), "x".repeat(65_536)));
    for (status, sent) in [
        (404, Sent { path: "/".into(), ..good.clone() }),
        (404, Sent { path: "/livez".into(), ..good.clone() }),
        (404, Sent { path: format!("{}/more", good.path), ..good.clone() }),
        (405, Sent { method: Method::GET, ..good.clone() }),
        (400, stateless),
        (400, crowded),
        (413, large),
    ] {
        assert_eq!(desk.answer(&sent).await, status, "{} {}", sent.method, sent.path);
    }
    let empty = Request::post(&good.path).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(desk.listener.answer(empty).await.status(), 403);
    assert_eq!(desk.status("m1").await, Status::Submitted);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_answered_in_time() {
    /// A body of which nothing ever comes.
    struct Stalled;
    impl Body for Stalled {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
    let place = CallbackPlace::new(BASE, store().secret());
    let reports = reports(store(), "http://127.0.0.1:9");
    let url = place.url(&MessageId("m1".into()), 1);
    let listener = ReportListener::new(place, reports, Arc::default(), Arc::default(), false, None);
    let path = url.strip_prefix("https://sms.example.com").unwrap();
    let begun = Instant::now();
    let answer = listener.answer(Request::post(path).body(Stalled).unwrap()).await;
    assert_eq!(answer.status(), 400);
    assert!(begun.elapsed() < Duration::from_secs(8), "after {:?}", begun.elapsed());
}
