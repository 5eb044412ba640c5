//! How much of a text passes, and when.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{changes, explain, instant};
use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn a_text_that_is_too_long_is_told_how_many_characters_pass_and_one_more_does_not() {
    let plivo = plivo().await;
    let two = Policy::new("validation").settings(json!({"max_segments": 2}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(two)).await;
    let request = |chars: usize| json!({"to": TO, "text": "é".repeat(chars)});

    let explained = explain(&sidecar, &request(1_000)).await;

    assert_eq!(changes(&explained), [("/text".to_owned(), json!({"max_chars": 306}))]);
    assert_eq!(explain(&sidecar, &request(306)).await["verdict"], "accept");
    let one_more = explain(&sidecar, &request(307)).await;
    assert_eq!(one_more["problem"]["code"], "text.too_many_segments", "{one_more:#}");
    assert_eq!(plivo.sends().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_refused_before_any_policy_is_told_the_text_that_would_pass_or_that_there_is_none()
{
    let plivo = plivo().await;
    let two = Policy::new("validation").settings(json!({"max_segments": 2}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(two)).await;
    let ill = async |body: Value| {
        let answer = sidecar.post("/v1/explain").json(&body).answer().await.expect(400);
        (answer["code"].as_str().unwrap().to_owned(), answer["when"].clone(), changes(&answer))
    };
    let long = "n".repeat(1_700);
    let shorter = [("/text".to_owned(), json!({"max_chars": 306}))];

    for to in [json!(TO), json!([TO, "+14155550199"])] {
        let (code, _, changes) = ill(json!({"to": to, "text": long})).await;
        assert_eq!((code.as_str(), &changes[..]), ("text.too_long", &shorter[..]), "{to}");
    }
    // Where something else is wrong too, no text helps.
    for (body, wanted) in [
        (json!({"to": "nobody", "text": long}), "phone.not_e164"),
        (json!({"to": TO, "text": long, "intent": "no word"}), "text.too_long"),
        (json!({"to": TO, "text": ""}), "text.empty"),
        (json!(["no object"]), "body.wrong_type"),
    ] {
        let (code, when, _) = ill(body.clone()).await;
        assert_eq!((code.as_str(), when), (wanted, json!([])), "{body}");
    }
    let list = explain(&sidecar, &json!({"to": [TO, "nobody"], "text": "hi"})).await;
    assert_eq!(list["messages"][1]["when"], json!([]), "{list:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn typography_that_makes_a_text_too_long_is_named_before_it_is_cut() {
    let plivo = plivo().await;
    let one = Policy::new("validation").settings(json!({"max_segments": 1}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(one)).await;
    let request = json!({"to": TO, "text": format!("it’s {}", "n".repeat(100))});

    let explained = explain(&sidecar, &request).await;

    let wanted = [("/text".to_owned(), Value::Null), ("/text".into(), json!({"max_chars": 70}))];
    assert_eq!(changes(&explained), wanted, "{explained:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_text_that_is_too_long_for_what_a_limit_will_have_is_told_when_and_how_much_of_it_passes()
{
    let plivo = plivo().await;
    let limit =
        json!({"name": "s", "scope": "recipient", "quota": 3, "per_s": 3_600, "cost": "segments"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;
    for text in ["one", "two", "three"] {
        sidecar.send(&json!({"to": TO, "text": text})).await.expect(202);
    }

    let explained = explain(&sidecar, &json!({"to": TO, "text": "a".repeat(900)})).await;

    assert_eq!(explained["problem"]["code"], "throttle.cost_exceeds_burst", "{explained:#}");
    // Where the three were not sent in one second, less passes sooner; all of it once the last of them counts no more.
    let whole = ("/text".to_owned(), json!({"max_chars": 459}));
    assert_eq!(changes(&explained).last(), Some(&whole), "{explained:#}");
    let ways = explained["when"].as_array().expect("ways");
    let ask = instant(&ways[ways.len() - 1]["ask_at"]);
    let short = explain(&sidecar, &json!({"to": TO, "text": "a"})).await;
    let short = instant(&short["when"][0]["ask_at"]);
    assert!(ask.duration_since(short).abs() <= SignedDuration::from_mins(1), "{explained:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_text_that_never_passes_whole_is_told_what_passes_now_and_how_little_less_passes_later() {
    let plivo = plivo().await;
    let limit =
        json!({"name": "s", "scope": "recipient", "quota": 3, "per_s": 3_600, "cost": "segments"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;
    for text in ["one", "two"] {
        sidecar.send(&json!({"to": TO, "text": text})).await.expect(202);
    }
    let request = |chars: usize| json!({"to": TO, "text": "a".repeat(chars)});

    for chars in [900, 1_700] {
        let answer = sidecar.post("/v1/explain").json(&request(chars)).answer().await;
        let explained: Value = serde_json::from_str(&answer.text).expect("JSON");

        let both = [160, 459].map(|most| ("/text".to_owned(), json!({"max_chars": most})));
        assert_eq!(changes(&explained), both, "{explained:#}");
        assert_eq!(explained["when"].as_array().map(Vec::len), Some(2), "{explained:#}");
        let ask = |nth: usize| instant(&explained["when"][nth]["ask_at"]);
        assert!(ask(0).duration_since(Timestamp::now()) <= SignedDuration::from_secs(1));
        let later = explain(&sidecar, &request(459)).await;
        let apart = instant(&later["when"][0]["ask_at"]).duration_since(ask(1)).abs();
        assert!(apart <= SignedDuration::from_secs(1), "{explained:#}\n{later:#}");
    }
    assert_eq!(explain(&sidecar, &request(160)).await["verdict"], "accept");
    // What passes whole later needs no second length.
    let whole = explain(&sidecar, &request(459)).await;
    assert_eq!(changes(&whole), [("/text".to_owned(), json!({"max_chars": 160}))], "{whole:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_shorter_text_is_told_when_its_own_turn_comes_at_a_limit_that_counts_segments() {
    let plivo = plivo().await;
    let limit = json!({
        "name": "q", "scope": "recipient", "kind": "gcra", "quota": 1, "per_s": 60, "burst": 3,
        "on_limit": "queue", "cost": "segments",
    });
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let four = Policy::new("validation").settings(json!({"max_segments": 4}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(four).policy(throttle)).await;
    sidecar.send(&json!({"to": TO, "text": "a".repeat(459)})).await.expect(202);

    let explained = explain(&sidecar, &json!({"to": TO, "text": "b".repeat(900)})).await;

    let (pointer, value) = changes(&explained).remove(0);
    assert_eq!((pointer.as_str(), value), ("/text", json!({"max_chars": 612})), "{explained:#}");
    let short = explain(&sidecar, &json!({"to": TO, "text": "b".repeat(612)})).await;
    let sent = [&explained, &short].map(|each| instant(&each["when"][0]["sent_at"]));
    let apart = sent[0].duration_since(sent[1]).abs();
    assert!(apart <= SignedDuration::from_secs(1), "{explained:#}\n{short:#}");
    sidecar.stop().await;
}
