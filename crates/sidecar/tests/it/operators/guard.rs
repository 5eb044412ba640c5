//! Who may change something, and from where.

use serde_json::json;
use store::Status;

use super::{BEARER, HOST, Left, OPERATOR, ask, durable, ephemeral, leave, look, operator};
use crate::harness::{Folder, Setup, Sidecar, eventually, exchange, plivo};

const CHANGES: [&str; 5] = [
    "POST /messages/held/release",
    "POST /messages/held/cancel",
    "POST /events/revive?app=demo",
    "POST /policies/country/promote",
    "POST /rollback",
];

#[tokio::test]
async fn without_a_configured_token_nothing_is_changed_and_the_key_is_named() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    for request in CHANGES.into_iter().chain(["GET /messages?numbers=full"]) {
        let told = operator(&sidecar, request).await.refused(403, "auth.not_configured");
        let sentence = told.body["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains("[listen] admin_token"), "{sentence}");
    }
    look(&sidecar, "/messages").await.expect(200);
}

#[tokio::test]
async fn a_missing_or_wrong_token_changes_nothing() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("held", Status::Held)]).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;
    for request in CHANGES {
        let told = ask(&sidecar, request, &[HOST]).await.refused(401, "auth.missing");
        assert!(told.head.contains("\r\nwww-authenticate: bearer"), "{}", told.head);
        for wrong in [
            "Bearer token-of-the-operato",
            "Bearer token-of-the-app-demo",
            "Bearer",
            "Basic token-of-the-operator",
            "token-of-the-operator",
        ] {
            let told = ask(&sidecar, request, &[HOST, ("authorization", wrong)]).await;
            told.refused(401, "auth.invalid");
        }
        let twice = ask(&sidecar, request, &[HOST, BEARER, BEARER]).await;
        let told = twice.refused(401, "auth.invalid");
        assert_eq!(told.body["error"], "the Authorization header is there more than once");
    }
    let record = look(&sidecar, "/messages/held").await.expect(200);
    assert_eq!((&record["status"], plivo.sends().len()), (&json!("held"), 0));
}

#[tokio::test]
async fn a_web_page_of_another_origin_changes_nothing() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("held", Status::Held)]).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;
    for request in CHANGES {
        for (header, status, code) in [
            (("origin", "https://evil.example"), 403, "http.bad_origin"),
            (("sec-fetch-site", "cross-site"), 403, "http.bad_origin"),
            (("content-type", "text/plain"), 415, "body.content_type"),
            (("content-type", "application/x-www-form-urlencoded"), 415, "body.content_type"),
            // A body without a type.
            (("transfer-encoding", "chunked"), 415, "body.content_type"),
        ] {
            let told = ask(&sidecar, request, &[HOST, BEARER, header]).await;
            told.refused(status, code);
        }
        let rebound = ask(&sidecar, request, &[("host", "evil.example"), BEARER]).await;
        rebound.refused(403, "http.bad_host");
        let nowhere = ask(&sidecar, request, &[BEARER]).await;
        nowhere.refused(400, "http.malformed_host");
        let read = ask(&sidecar, &request.replace("POST", "GET"), &[HOST, BEARER]).await;
        let read = read.refused(405, "http.method_not_allowed");
        assert!(read.head.contains("\r\nallow: post"), "{}", read.head);
    }
    let record = look(&sidecar, "/messages/held").await.expect(200);
    assert_eq!((&record["status"], plivo.sends().len()), (&json!("held"), 0));
    let json = ("content-type", "application/json");
    ask(&sidecar, CHANGES[0], &[HOST, BEARER, json]).await.expect(200);
}

#[tokio::test]
async fn a_body_may_be_an_object_without_members_however_it_is_written_and_nothing_else() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let whole = |body: &str| format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunked = |body: &str| {
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    for (token, rest, wanted) in [
        (OPERATOR, whole("{}"), "HTTP/1.1 200"),
        (OPERATOR, whole("{ }"), "HTTP/1.1 200"),
        (OPERATOR, whole("{\n}\n"), "HTTP/1.1 200"),
        (OPERATOR, chunked("{ }"), "HTTP/1.1 200"),
        (OPERATOR, whole("[]"), "HTTP/1.1 400"),
        (OPERATOR, whole("{\"app\": \"demo\"}"), "HTTP/1.1 400"),
        ("token-of-nobody", whole("[]"), "HTTP/1.1 401"),
    ] {
        let request = format!(
            "POST /events/revive?app=demo HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n{rest}"
        );
        let answer = exchange(sidecar.admin, request).await;
        assert!(answer.starts_with(wanted), "{wanted} to {rest:.60}, not {answer}");
        assert_eq!(answer.contains("query.invalid"), wanted.ends_with("400"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_too_slow_or_broken_off_is_told_as_such() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let begin = |rest: &str| {
        format!(
            "POST /events/revive?app=demo HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {OPERATOR}\r\n\
             content-type: application/json\r\n{rest}"
        )
    };
    let large = format!("content-length: {}\r\n\r\n{}", 1 << 17, " ".repeat(1 << 17));
    for (rest, status, words) in [
        (large.as_str(), "413", "the body is larger than 65536 bytes"),
        ("expect: 100-continue\r\ncontent-length: 99999\r\n\r\n", "413", "body.too_large"),
        ("transfer-encoding: chunked\r\n\r\nno size\r\n", "400", "body.incomplete"),
        ("content-length: 2\r\n\r\n{", "408", "the body did not arrive in time"),
    ] {
        let answer = exchange(sidecar.admin, begin(rest)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(words),
            "{status}, {words} to {rest:.60}: {answer}"
        );
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_token_is_replaced_by_a_reload() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    let revive = "POST /events/revive?app=demo";
    operator(&sidecar, revive).await.expect(200);

    let next = ephemeral(&plivo).set("listen.admin_token", "another-token");
    sidecar.folder.write("sidecar.toml", next.to_toml());

    let another = [HOST, ("authorization", "Bearer another-token")];
    let taken = async || (ask(&sidecar, revive, &another).await.status == 200).then_some(());
    eventually("the next token is taken", taken).await;
    operator(&sidecar, revive).await.refused(401, "auth.invalid");
}
