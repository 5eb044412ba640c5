//! Who may send, from where, and as whom.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::harness::{App, Folder, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};

fn basic(name: &str, token: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{token}")))
}

fn hi() -> Value {
    json!({"to": TO, "text": "hi"})
}

#[tokio::test]
async fn an_app_proves_itself_by_bearer_token_or_by_basic_as_plivos_sdks_do() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let ways = [
        format!("Bearer {TOKEN}"),
        format!("bearer {TOKEN}"),
        basic("demo", TOKEN),
        // Some SDKs take no other name than one of Plivo's shape.
        basic("MADEMOXXXXXXXXXXXXXX", TOKEN),
    ];

    for way in &ways {
        let request = sidecar.post("/v1/messages").header("authorization", way);
        request.json(&hi()).answer().await.expect(202);
    }

    assert_eq!(plivo.sends().len(), ways.len());
    sidecar.stop().await;
}

#[tokio::test]
async fn whoever_proves_nothing_or_something_else_is_turned_away() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).app(App::new("other", "token-of-other"));
    let sidecar = Sidecar::start(setup).await;
    let wrong = [
        "Bearer wrong".to_owned(),
        format!("Bearer {TOKEN}x"),
        format!("Bearer {}", &TOKEN[1..]),
        "Bearer ".to_owned(),
        TOKEN.to_owned(),
        format!("Digest {TOKEN}"),
        basic("demo", "token-of-other"),
        basic("nobody", TOKEN),
        basic("MAXXXXXXXXXXXXXXXXXX", "TOKEN"),
        basic("demo", ""),
        "Basic demo:token".to_owned(),
    ];

    let missing = sidecar.post("/v1/messages").anonymous().json(&hi()).answer().await;
    missing.refused(401, "auth.missing");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer, Basic realm=\"sendgate\""));
    for value in &wrong {
        let request = sidecar.post("/v1/messages").header("authorization", value);
        request.json(&hi()).answer().await.refused(401, "auth.invalid");
    }
    let twice = sidecar.post("/v1/messages").header_again("authorization", "Bearer token-of-other");
    let told = twice.json(&hi()).answer().await.refused(401, "auth.invalid");
    assert_eq!(told["detail"], "the Authorization header is there more than once");

    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn every_route_of_the_apps_door_asks_who_is_there() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    for (method, path) in [
        ("POST", "/v1/messages"),
        ("GET", "/v1/messages"),
        ("GET", "/v1/messages/any"),
        ("POST", "/v1/explain"),
        ("GET", "/v1/limits"),
        ("GET", "/v1/policies"),
        ("POST", "/mms/send"),
        ("POST", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/"),
        ("GET", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/any/"),
    ] {
        let answer = sidecar.request(method, path).anonymous().answer().await;
        assert_eq!(answer.status, 401, "{answer}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_account_in_plivos_paths_is_the_one_of_the_credentials() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let (own, other) = ("MADEMOXXXXXXXXXXXXXX", "MAOTHERXXXXXXXXXXXXX");
    for (authorization, account, status) in [
        (basic("demo", TOKEN), "demo", 200),
        (basic(own, TOKEN), own, 200),
        (basic(own, TOKEN), other, 401),
        (basic("demo", TOKEN), own, 401),
        (format!("Bearer {TOKEN}"), "demo", 200),
        (format!("Bearer {TOKEN}"), own, 200),
        (format!("Bearer {TOKEN}"), "someone", 401),
    ] {
        let path = format!("/v1/Account/{account}/Message/");
        let request = sidecar.request("GET", &path).header("authorization", &authorization);

        let answer = request.answer().await;

        let body = answer.expect(status);
        let told =
            body["error"].as_str().is_some_and(|error| error.contains("(auth.other_account)"));
        assert_eq!(told, status == 401, "{account}: {answer}");
    }
    let counted = async || {
        let metrics = sidecar.admin("/metrics").await.text;
        let line = metrics.lines().find(|line| line.contains("auth.other_account"))?;
        line.contains("app=\"demo\"").then_some(())
    };
    eventually("what names another account is counted as its app's", counted).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn plivos_door_tells_wrong_credentials_from_none() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let path = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";

    let none = sidecar.request("GET", path).anonymous().answer().await;
    let wrong = sidecar.request("GET", path).bearer("wrong").answer().await;

    assert_eq!(none.expect(401)["error"], "authentication credentials were not provided");
    assert_eq!(
        wrong.expect(401)["error"],
        "no app has this token; send it as Bearer, or as Basic with the app's name (auth.invalid)"
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn an_open_app_is_whoever_comes_from_this_machine_without_credentials() {
    let plivo = plivo().await;
    let open = App::new("open", "token-of-open").set("open_on_loopback", true);
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(open)).await;

    sidecar.post("/v1/messages").anonymous().json(&hi()).answer().await.expect(202);
    let wrong = sidecar.post("/v1/messages").bearer("wrong").json(&hi()).answer().await;
    wrong.refused(401, "auth.invalid");
    let chain = sidecar.request("GET", "/v1/policies").anonymous().answer().await.expect(200);

    assert_eq!(chain["app"], "open");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_with_senders_uses_no_others_and_its_first_by_default() {
    let plivo = plivo().await;
    let own = json!(["+14155550777", "+14155550778", "0B63ADC7-07A9-42FC-8A21-9992046868B6"]);
    let bound = App::new("demo", TOKEN).set("senders", own);
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(bound)).await;

    sidecar.send(&hi()).await.expect(202);
    sidecar.send(&json!({"to": TO, "text": "hi", "from": "+14155550778"})).await.expect(202);
    let other = sidecar.send(&json!({"to": TO, "text": "hi", "from": "+14155550779"})).await;
    let pool = "86bbb125-97bb-4d72-89fd-81d5c515b015";
    let pool = sidecar.send(&json!({"to": TO, "text": "hi", "powerpack_uuid": pool})).await;

    let told = other.refused(403, "sender.not_allowed");
    assert_eq!(told["title"], "The app may not ask for this", "well formed, and not allowed");
    pool.refused(403, "sender.not_allowed");
    let sources: Vec<String> = plivo.sends().into_iter().map(|send| send.src).collect();
    assert_eq!(sources, ["14155550777", "14155550778"]);
    // A pool is the same in either case, under a key, too.
    for pool in ["0b63adc7-07a9-42fc-8a21-9992046868b6", "0B63adc7-07A9-42FC-8A21-9992046868b6"] {
        let body = json!({"to": TO, "text": "hello", "powerpack_uuid": pool});
        let pooled = sidecar.post("/v1/messages").header("idempotency-key", "k").json(&body);
        pooled.answer().await.expect(202);
    }
    let pooled: Vec<_> =
        plivo.sends().into_iter().skip(2).map(|send| send.powerpack_uuid).collect();
    assert_eq!(pooled, ["0b63adc7-07a9-42fc-8a21-9992046868b6"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sender_that_cannot_carry_media_is_not_asked_to() {
    let plivo = plivo().await;
    let senders = json!([{"number": "+14155551212", "mms": false}]);
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("plivo.senders", senders)).await;

    sidecar.send(&hi()).await.expect(202);
    let media = json!({"to": TO, "text": "hi", "media_urls": ["https://cdn.example.com/a.jpg"]});
    sidecar.send(&media).await.refused(422, "sender.not_capable");
    let explained = sidecar.post("/v1/explain").json(&media).answer().await;
    let when = explained.refused(422, "sender.not_capable")["when"].clone();
    assert_eq!(when[0]["changes"][0]["pointer"], "/media_urls", "{explained}");
    // Of a sender that cannot be read nothing is known.
    let unread = json!({"from": 5, "to": TO, "media_urls": ["https://cdn.example.com/a.jpg"]});
    let told = sidecar.send(&unread).await.refused(400, "body.wrong_type");
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(1), "{told}");
    let media = json!({"recipient": TO, "message": "hi", "mediaUrls": ["https://e.com/a.jpg"]});
    let seed = sidecar.post("/mms/send").json(&media).answer().await;
    assert!(seed.text.contains("the sender of the configuration cannot send media"), "{seed}");

    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_is_its_own_apps_business() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).app(App::new("other", "token-of-other"));
    let sidecar = Sidecar::start(setup).await;
    let body = sidecar.send(&hi()).await.expect(202);

    for name in ["id", "message_uuid"] {
        let id = body[name].as_str().unwrap();
        for path in [
            format!("/v1/messages/{id}"),
            format!("/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/{id}/"),
        ] {
            sidecar.get(&path).await.expect(200);
            let other = sidecar.request("GET", &path).bearer("token-of-other").answer().await;
            assert_eq!(other.status, 404, "{other}");
        }
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn over_a_unix_socket_an_app_is_known_by_its_user() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let user = std::fs::metadata(folder.path()).unwrap().uid();
    let socket = folder.path().join("apps.sock");
    let setup = Setup::standard(&plivo)
        .set("listen.apps", json!(["127.0.0.1:0", "unix:apps.sock"]))
        .set("listen.socket_mode", "0666")
        .app(App::new("mine", "token-of-mine").set("uid", user));
    let sidecar = Sidecar::start_in(folder, setup).await;
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666, "others could not connect");

    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let request = "GET /v1/policies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"app\":\"mine\""), "{answer}");
    sidecar.request("GET", "/v1/policies").anonymous().answer().await.refused(401, "auth.missing");
    sidecar.stop().await;
    assert!(!socket.exists(), "the socket's file was left behind");
}

#[tokio::test]
async fn no_web_page_can_post_to_this_machine() {
    let plivo = plivo().await;
    let sidecar =
        Sidecar::start(Setup::standard(&plivo).set("listen.hosts", json!(["sms.internal"]))).await;
    let port = sidecar.apps.port();
    let ask = async |name: &str, value: &str| {
        sidecar.post("/v1/messages").header(name, value).json(&hi()).answer().await
    };

    for host in ["localhost", "127.0.0.1", "[::1]:80", "sms.internal", &format!("localhost:{port}")]
    {
        ask("host", host).await.expect(202);
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "2130706433",
    ] {
        ask("host", host).await.refused(403, "http.bad_host");
    }
    for origin in ["https://evil.example", "null", "http://localhost:1", "file://"] {
        ask("origin", origin).await.refused(403, "http.bad_origin");
    }
    for site in ["cross-site", "same-site"] {
        ask("sec-fetch-site", site).await.refused(403, "http.bad_origin");
    }
    ask("origin", &format!("http://127.0.0.1:{port}")).await.expect(202);

    assert_eq!(plivo.sends().len(), 6);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sender_that_a_policy_chose_is_held_to_the_same_rules() {
    let plivo = plivo().await;
    let (own, other, texts_only) = ("+14155551212", "+14155551213", "+14155551214");
    let senders = json!([{"number": own}, {"number": texts_only, "mms": false}]);
    let quota = json!({"limits": [{"name": "app", "scope": "app", "quota": 2, "per_s": 3_600}]});
    let setup = Setup::new(&plivo)
        .set("plivo.senders", senders)
        .app(App::new("demo", TOKEN).set("senders", json!([own, texts_only])))
        .policy(Policy::new("runaway").set("grants", json!(["state", "log", "amend"])))
        .policy(Policy::new("throttle").settings(quota));
    let sidecar = Sidecar::start(setup).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let chosen = |sender: &str, media: &serde_json::Value| json!({"to": TO, "text": format!("from {sender}"), "media_urls": media});
    for (sender, media, why) in [
        (other, &json!([]), "its sender is not one of the senders"),
        (texts_only, &media, "its sender cannot send media"),
    ] {
        let request = chosen(sender, media);
        let explained = sidecar.post("/v1/explain").json(&request).answer().await.expect(200);
        // More often than the limit lets pass: what it was charged is given back.
        for _ in 0..3 {
            let refused = sidecar.send(&request).await.refused(503, "policy.illegal_transform");
            for problem in [&explained["problem"], &refused] {
                assert_eq!(problem["code"], "policy.illegal_transform", "{problem}");
                assert_eq!(problem["policy"]["name"], "runaway", "{problem}");
            }
        }
        let told = |event: &Value| event.to_string().contains(why);
        sidecar.log.wait_for(why, |events| events.iter().any(told).then_some(())).await;
    }
    sidecar.send(&chosen(texts_only, &json!([]))).await.expect(202);
    let sent: Vec<String> = plivo.sends().into_iter().map(|send| send.src).collect();
    assert_eq!(sent, ["14155551214"]);
    sidecar.stop().await;
}
