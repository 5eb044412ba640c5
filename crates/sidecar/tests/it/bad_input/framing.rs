//! Requests whose bytes are no good HTTP, or mean two things.

use serde_json::json;

use super::{head, hi, status, still_serves};
use crate::harness::{Connection, Setup, Sidecar, exchange, plivo};

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_told_what_there_is() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for path in [
        "/",
        "/v1/numbers",
        "/v1/messages/",
        "/V1/messages",
        "/v1/messages/a/b",
        "/../etc/passwd",
        "/%00",
    ] {
        sidecar.get(path).await.refused(404, "http.not_found");
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/messages", "GET, HEAD, POST"),
        ("PUT", "/v1/messages/any", "GET, HEAD"),
        ("GET", "/v1/explain", "POST"),
        ("OPTIONS", "/v1/messages", "GET, HEAD, POST"),
        ("PATCH", "/v1/policies", "GET, HEAD"),
    ] {
        let answer = sidecar.request(method, path).answer().await;
        answer.refused(405, "http.method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{answer}");
    }
    for path in ["/v1/messages", "/v1/policies", "/v1/limits", "/v1/messages/any"] {
        let (head, get) = (sidecar.request("HEAD", path).answer().await, sidecar.get(path).await);
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{head}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{head}");
    }
    let seed = sidecar.request("GET", "/mms/send").answer().await;
    assert_eq!((seed.status, seed.header("allow")), (405, Some("POST")), "{seed}");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_host_that_is_missing_or_stands_twice_is_refused() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let length = format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi());
    let good = head(&length);

    for request in [
        good.replace("Host: 127.0.0.1\r\n", ""),
        good.replace("HTTP/1.1", "HTTP/1.0").replace("Host: 127.0.0.1\r\n", ""),
        good.replace("Host: 127.0.0.1", "Host: 127.0.0.1\r\nHost: evil.example"),
        good.replace("Host: 127.0.0.1", "Host: evil.example\r\nHost: 127.0.0.1"),
        good.replace("Host: 127.0.0.1", "Host:"),
        good.replace("Host: 127.0.0.1", "Host: 127.0.0.1@evil.example"),
        good.replace("Host: 127.0.0.1", "Host: 127.0.0.1\t evil.example"),
        good.replace(" /v1", " http://127.0.0.1:+80/v1"),
        good.replace(" /v1", " http://user@127.0.0.1/v1"),
    ] {
        let answer = exchange(sidecar.apps, &request).await;
        assert_eq!(status(&answer), 400, "{request}\ngot\n{answer}");
        assert!(answer.contains("http.malformed_host"), "{request}\ngot\n{answer}");
    }
    assert_eq!(plivo.requests().len(), 0);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn http_1_0_and_chunks_are_served() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = hi();
    let (first, second) = body.split_at(10);
    let old = head(&format!("Content-Length: {}\r\n\r\n{body}", body.len()))
        .replace("HTTP/1.1", "HTTP/1.0");
    let chunked = head(&format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};note=1\r\n{second}\r\n0\r\nTrailer: 1\r\n\r\n",
        first.len(),
        second.len()
    ));
    let patient =
        head(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}", body.len()));

    assert_eq!(status(&exchange(sidecar.apps, old).await), 202);
    assert_eq!(status(&exchange(sidecar.apps, chunked).await), 202);
    let answer = exchange(sidecar.apps, patient).await;
    assert!(answer.starts_with("HTTP/1.1 100 ") && answer.contains("HTTP/1.1 202 "), "{answer}");
    assert_eq!(plivo.sends().len(), 3);
    sidecar.stop().await;
}

#[tokio::test]
async fn who_has_sent_too_much_and_waits_is_answered_before_the_body_s_time_is_over() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).set("listen.body_timeout_ms", 600_000);
    let sidecar = Sidecar::start(setup).await;
    let much = "x".repeat(2 * 65_536);
    for begun in [
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{much}\r\n", much.len()),
        format!("Content-Length: {}\r\n\r\n{{", much.len()),
    ] {
        let mut waiting = Connection::open(sidecar.apps).await;
        waiting.send(head(&begun)).await;
        let answer = waiting.rest().await;

        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.contains("body.too_large"), "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_request_that_could_be_read_two_ways_is_not_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = hi();
    let len = body.len();

    for request in [
        head(&format!("Content-Length: {len}\r\nContent-Length: {}\r\n\r\n{body}", len - 1)),
        head(&format!("Content-Length: +{len}\r\n\r\n{body}")),
        head(&format!("Content-Length: {len}, 5\r\n\r\n{body}")),
        head(&format!("Content-Length: -1\r\n\r\n{body}")),
        head(&format!("Content-Length: 99999999999999999999\r\n\r\n{body}")),
        head(&format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n")),
        head(&format!("Transfer-Encoding: gzip\r\n\r\n{body}")),
        head(&format!("Transfer-Encoding : chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n")),
        head(&format!("X-Folded: a\r\n b\r\nContent-Length: {len}\r\n\r\n{body}")),
        head(&format!("X-Return: a\rb\r\nContent-Length: {len}\r\n\r\n{body}")),
        head(&format!("X-Nul: a\0b\r\nContent-Length: {len}\r\n\r\n{body}")),
        head(&format!("Content-Length: {len}\r\n\r\n{body}")).replacen("POST ", "POST\t", 1),
        head(&format!("Content-Length: {len}\r\n\r\n{body}")).replacen("HTTP/1.1", "HTTP/9.9", 1),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
    ] {
        let answer = exchange(sidecar.apps, &request).await;
        assert!(
            [0, 400, 413, 415, 501, 505].contains(&status(&answer)),
            "{request}\ngot\n{answer}"
        );
    }
    assert_eq!(plivo.requests().len(), 0);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn of_both_lengths_at_most_one_request_comes() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let (body, hidden) = (hi(), "GET /v1/limits HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let both = format!(
        "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n{hidden}",
        body.len(),
        body.len()
    );

    // Kept open by its own words, so that what hides behind it could be read as the next request.
    let answer = exchange(sidecar.apps, head(&both).replace("Connection: close\r\n", "")).await;

    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_body_shorter_than_it_says_is_not_sent() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = hi();

    let mut short = Connection::open(sidecar.apps).await;
    short.send(head(&format!("Content-Length: {}\r\n\r\n{body}", body.len() + 1))).await;
    short.finish().await;
    let answer = short.rest().await;

    assert!([0, 400].contains(&status(&answer)), "{answer}");
    assert_eq!(plivo.requests().len(), 0);
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_length_beyond_all_bounds_is_refused_before_a_byte_of_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let answer = exchange(sidecar.apps, head("Content-Length: 100000000000\r\n\r\n")).await;

    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = hi();
    let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let many: String = (0..500).map(|nth| format!("X-{nth}: 1\r\n")).collect();

    for request in [
        head(&format!("X-Long: {}\r\n{length}", "a".repeat(100_000))),
        head(&format!("{many}{length}")),
        head(&length).replacen("/v1/messages", &format!("/v1/messages?{}", "a".repeat(100_000)), 1),
    ] {
        let answer = exchange(sidecar.apps, &request).await;
        assert!([400, 414, 431].contains(&status(&answer)), "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn what_an_app_writes_into_a_path_or_a_key_comes_back_in_no_header() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let path = sidecar.get("/v1/messages/x%0d%0aX-Evil:%201").await;
    let key = sidecar
        .post("/v1/messages")
        .key("k%0d%0aX-Evil: 1")
        .json(&json!({"to": "x"}))
        .answer()
        .await;

    assert_eq!((path.status, path.header("x-evil")), (404, None), "{path}");
    assert_eq!((key.status, key.header("x-evil")), (400, None), "{key}");
    still_serves(sidecar, &plivo).await;
}
