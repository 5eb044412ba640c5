//! Changes that are told together, and when a shorter text passes: whatever is told then holds.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::when::{changes, explain, instant};
use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, plivo};

const LONDON: &str = "+447400123456";
const SENDERS: [&str; 2] = ["+14155551212", "+14155551213"];

fn with_senders(setup: Setup) -> Setup {
    setup.app(App::new("demo", TOKEN).set("senders", json!(SENDERS)))
}

fn urls(most: usize) -> Vec<String> {
    (0..most).map(|nth| format!("https://cdn.example.com/{nth}.jpg")).collect()
}

/// The pointers of the one way's changes, once what it tells was seen to pass.
async fn holds(sidecar: &Sidecar, asked: &Value) -> Vec<String> {
    let explained = sidecar.post("/v1/explain").json(asked).answer().await.expect(400);
    assert_eq!(explained["code"], "text.too_long", "{explained:#}");
    assert_eq!(explained["when"].as_array().map(Vec::len), Some(1), "{explained:#}");
    let told = changes(&explained);
    let mut changed = asked.clone();
    for (pointer, value) in &told {
        match value["max_chars"].as_u64() {
            Some(chars) => changed["text"] = json!("a".repeat(usize::try_from(chars).unwrap())),
            None => changed[pointer.trim_start_matches('/')] = value.clone(),
        }
    }
    let explained = explain(sidecar, &changed).await;
    let verdict = |one: &Value| one["verdict"].clone();
    let verdicts: Vec<Value> = match explained["messages"].as_array() {
        Some(all) => all.iter().map(verdict).collect(),
        None => vec![verdict(&explained)],
    };
    assert!(verdicts.iter().all(|each| each == "accept"), "{told:?}: {explained:#}");
    told.into_iter().map(|(pointer, _)| pointer).collect()
}

#[tokio::test]
async fn a_text_above_plivos_limit_is_told_what_else_stands_in_the_way_of_a_shorter_one() {
    let plivo = plivo().await;
    let of_two = json!([{"number": SENDERS[0], "mms": false}, {"number": SENDERS[1]}]);
    let setup = Setup::standard(&plivo).policy(Policy::new("consent"));
    let setup = with_senders(setup.set("plivo.senders", of_two));
    let sidecar = Sidecar::start(setup).await;
    let stop = json!({"from": TO, "to": SENDERS[1], "text": "STOP"});
    sidecar.post("/v1/inbound").json(&stop).answer().await.expect(200);
    let long = "a".repeat(1_601);
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let (from_texts, from_mms) = (SENDERS[0], SENDERS[1]);
    let mms =
        |to: Value, from: &str| json!({"to": to, "from": from, "text": long, "media_urls": media});

    // Where a medium must not go, whether the one recipient or one of the list.
    for to in [json!(LONDON), json!([LONDON, "+14155550199"])] {
        let told = holds(&sidecar, &mms(to.clone(), from_mms)).await;
        assert_eq!(told, ["/media_urls", "/text"], "{to}");
    }
    // From whom the recipient wants nothing.
    let opted_out = json!({"to": TO, "from": from_mms, "text": long});
    assert_eq!(holds(&sidecar, &opted_out).await, ["/from", "/text"]);
    // From whom no medium can go.
    let told = holds(&sidecar, &mms(json!("+14155550199"), from_texts)).await;
    assert_eq!(told, ["/media_urls", "/text"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn more_media_than_plivo_takes_are_told_how_many_pass_and_what_else_stands_in_the_way() {
    let plivo = plivo().await;
    let of_two = json!([{"number": SENDERS[0], "mms": false}, {"number": SENDERS[1]}]);
    let setup = Setup::standard(&plivo).set("plivo.senders", of_two);
    let sidecar = Sidecar::start(with_senders(setup)).await;
    let told = async |asked: &Value| {
        let told = sidecar.post("/v1/explain").json(asked).answer().await.expect(400);
        told["when"].as_array().expect("ways").iter().map(|way| way["changes"].clone()).collect()
    };
    let said = |changes: &Value| -> Vec<(String, Value)> {
        let one = |one: &Value| (one["pointer"].as_str().unwrap().to_owned(), one["value"].clone());
        changes.as_array().expect("changes").iter().map(one).collect()
    };
    let none = ("/media_urls".to_owned(), json!([]));
    let ten = ("/media_urls".to_owned(), json!({"max_media": 10}));

    let asked = json!({"to": TO, "from": SENDERS[1], "text": "hi", "media_urls": urls(14)});
    let ways: Vec<Value> = told(&asked).await;
    assert_eq!(ways.iter().map(said).collect::<Vec<_>>(), [vec![none.clone()], vec![ten.clone()]]);
    let fewer = json!({"to": TO, "from": SENDERS[1], "text": "hi", "media_urls": urls(10)});
    assert_eq!(explain(&sidecar, &fewer).await["verdict"], "accept");

    // Together with ids, of a message without a text.
    let ids: Vec<String> = (0..9).map(|nth| format!("m{nth}")).collect();
    let asked =
        json!({"to": TO, "from": SENDERS[1], "text": "", "media_urls": urls(9), "media_ids": ids});
    let ways: Vec<Value> = told(&asked).await;
    assert_eq!(ways.iter().map(said).collect::<Vec<_>>(), [[ten.clone()]]);

    // From whom no medium can go.
    let asked = json!({"to": TO, "from": SENDERS[0], "text": "", "media_urls": urls(14)});
    let ways: Vec<Value> = told(&asked).await;
    let other = ("/from".to_owned(), json!(SENDERS[1]));
    assert_eq!(ways.iter().map(said).collect::<Vec<_>>(), [[other, ten]]);
    let asked = json!({"to": TO, "from": SENDERS[0], "text": "hi", "media_urls": urls(14)});
    let ways: Vec<Value> = told(&asked).await;
    assert_eq!(ways.iter().map(said).collect::<Vec<_>>(), [[none]]);
    sidecar.stop().await;
}

#[tokio::test]
async fn media_that_are_none_are_left_out_whatever_else_stands_in_the_way_and_no_half_change_is_told()
 {
    let plivo = plivo().await;
    let of_two = json!([{"number": SENDERS[0], "mms": false}, {"number": SENDERS[1]}]);
    let setup = Setup::standard(&plivo).set("plivo.senders", of_two);
    let sidecar = Sidecar::start(with_senders(setup)).await;
    let media = json!(["https://cdn.example.com/a.jpg", "no URL"]);
    let told = async |more: Value| {
        let mut asked = json!({"to": TO, "text": "hi"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = sidecar.post("/v1/explain").json(&asked).answer().await;
        let told: Value = serde_json::from_str(&answer.text).expect("JSON");
        assert!(answer.status == 400, "{told:#}");
        (told["when"].as_array().expect("ways").len(), changes(&told))
    };
    let none = |member: &str| (member.to_owned(), json!([]));
    let text = ("/text".to_owned(), json!({"max_chars": 1_600}));

    for from in SENDERS {
        let one = told(json!({"from": from, "media_urls": media})).await;
        assert_eq!(one, (1, vec![none("/media_urls")]), "{from}");
    }
    let private = json!({"from": SENDERS[0], "media_urls": ["http://127.0.0.1/a.jpg"]});
    assert_eq!(told(private).await, (1, vec![none("/media_urls")]));
    let id = json!({"from": SENDERS[0], "media_ids": ["x y\n"]});
    assert_eq!(told(id).await, (1, vec![none("/media_ids")]));
    // What is too long besides is told how long it may be without them.
    let long = json!({"from": SENDERS[0], "media_urls": media, "text": "n".repeat(1_700)});
    assert_eq!(told(long).await, (1, vec![none("/media_urls"), text]));
    // Without a text there is nothing to send without them.
    let bare = json!({"from": SENDERS[0], "media_urls": media, "text": ""});
    assert_eq!(told(bare).await, (0, vec![]));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_type_that_says_otherwise_than_the_media_is_told_and_goes_with_each_change_of_them() {
    let plivo = plivo().await;
    let country = Policy::new("country").settings(json!({"allow": ["*"], "mms": ["US"]}));
    let sidecar = Sidecar::start(with_senders(Setup::new(&plivo).policy(country))).await;
    let told = async |to: &str, kind: &str, media: Value| {
        let mut asked = json!({"to": to, "from": SENDERS[1], "text": "hi", "type": kind});
        asked.as_object_mut().unwrap().extend(media.as_object().unwrap().clone());
        let answer = sidecar.post("/v1/explain").json(&asked).answer().await;
        let told: Value = serde_json::from_str(&answer.text).expect("JSON");
        let ways = told["when"].as_array().expect("ways");
        for way in ways {
            // As a program would follow it.
            let mut mended = asked.clone();
            for change in way["changes"].as_array().expect("changes") {
                let member = change["pointer"].as_str().unwrap().trim_start_matches('/');
                mended[member] = match &change["value"] {
                    value if value.get("max_media").is_some() => json!(urls(10)),
                    value => value.clone(),
                };
            }
            assert_eq!(explain(&sidecar, &mended).await["verdict"], "accept", "{told:#}");
        }
        let pointers = |way: &Value| -> Vec<String> {
            let changes = way["changes"].as_array().into_iter().flatten();
            changes.map(|change| change["pointer"].as_str().unwrap().to_owned()).collect()
        };
        ways.iter().map(pointers).collect::<Vec<_>>()
    };
    let bad = json!({"media_urls": ["no URL"]});
    let both = json!({"media_urls": urls(1), "media_ids": ["m-1"]});
    let (either, as_it_is) = (vec!["/media_urls"], vec!["/type"]);
    let no_mms = vec!["/media_urls", "/media_ids", "/type"];

    assert_eq!(
        told(TO, "sms", json!({"media_urls": urls(1)})).await,
        [as_it_is.clone(), either.clone()]
    );
    let fewer = vec!["/media_urls", "/type"];
    assert_eq!(told(TO, "sms", json!({"media_urls": urls(14)})).await, [either.clone(), fewer]);
    assert_eq!(told(TO, "sms", bad.clone()).await, [either]);
    assert_eq!(told(TO, "mms", bad).await, [vec!["/media_urls", "/type"]]);
    assert_eq!(told(TO, "mms", json!({})).await, [as_it_is]);
    // Refused by a policy, not by the door.
    assert_eq!(told(LONDON, "mms", both).await, [no_mms]);
    sidecar.stop().await;
}

#[tokio::test]
async fn where_media_become_links_no_way_is_told_that_its_own_sender_is_refused_for() {
    let plivo = plivo().await;
    let of_two = json!([{"number": SENDERS[0], "mms": false}, {"number": SENDERS[1]}]);
    let links = json!({"allow": ["*"], "mms": ["US"], "mms_fallback": "link"});
    let country = Policy::new("country").settings(links).set("grants", json!(["amend"]));
    let used = json!({"name": "s", "scope": "sender", "quota": 1, "per_s": 3_600});
    let throttle = Policy::new("throttle").settings(json!({"limits": [used]}));
    let setup = Setup::new(&plivo).policy(country).policy(throttle).set("plivo.senders", of_two);
    let sidecar = Sidecar::start(with_senders(setup)).await;
    let mms = |from: &str, text: &str| {
        let media = ["https://cdn.example.com/a.jpg"];
        json!({"to": LONDON, "from": from, "text": text, "media_urls": media})
    };
    let told = async |asked: Value| {
        let answer = sidecar.post("/v1/explain").json(&asked).answer().await;
        let told: Value = serde_json::from_str(&answer.text).expect("JSON");
        let ways = told["when"].as_array().expect("ways").clone();
        let pointers = |way: &Value| -> Vec<String> {
            let changes = way["changes"].as_array().into_iter().flatten();
            changes.map(|change| change["pointer"].as_str().unwrap().to_owned()).collect()
        };
        ways.iter().map(pointers).collect::<Vec<_>>()
    };

    // A sender that has room, and can send no media.
    sidecar.send(&mms(SENDERS[1], "one")).await.expect(202);
    let ways = told(mms(SENDERS[1], "two")).await;
    assert!(!ways.contains(&vec!["/from".to_owned()]), "{ways:?}");
    // From one that cannot send them, no shorter text helps.
    let ways = told(mms(SENDERS[0], "three")).await;
    assert!(ways.contains(&vec!["/media_urls".to_owned()]), "{ways:?}");
    assert!(!ways.iter().any(|way| way == &["/text"]), "{ways:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_shorter_text_passes_no_later_than_another_change_that_makes_it_as_short() {
    let plivo = plivo().await;
    let limit =
        json!({"name": "s", "scope": "recipient", "quota": 1, "per_s": 3_600, "cost": "segments"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;
    let mut seen = Vec::new();
    // Each passes at another part of a second: where one is just before a second's end, the others are not.
    for nth in 0..4 {
        let to = format!("+1415555019{nth}");
        sidecar.send(&json!({"to": to, "text": "first"})).await.expect(202);
        let typography = format!("it’s {}", "n".repeat(100));

        let explained = explain(&sidecar, &json!({"to": to, "text": typography})).await;

        assert_eq!(explained["when"].as_array().map(Vec::len), Some(2), "{explained:#}");
        let at = |way: usize| instant(&explained["when"][way]["ask_at"]);
        seen.push(at(1).duration_since(at(0)));
        tokio::time::sleep(std::time::Duration::from_millis(270)).await;
    }
    assert!(seen.contains(&SignedDuration::ZERO), "{seen:?}");
    sidecar.stop().await;
}
