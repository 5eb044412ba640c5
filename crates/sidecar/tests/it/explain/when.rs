//! When a refused message could go, and with which change: whatever is told then holds.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};

/// In Reykjavík clocks show UTC all year round.
const REYKJAVIK: &str = "+3546112345";

fn app_limit(per_s: u32) -> Policy {
    let limit = json!({"name": "app", "scope": "app", "quota": 1, "per_s": per_s});
    Policy::new("throttle").settings(json!({"limits": [limit]}))
}

pub(super) async fn explain(sidecar: &Sidecar, body: &Value) -> Value {
    sidecar.post("/v1/explain").json(body).answer().await.expect(200)
}

pub(super) fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no instant")).parse().expect("an instant")
}

/// The changes with which it would pass at once, by pointer.
pub(super) fn changes(explained: &Value) -> Vec<(String, Value)> {
    let ways = explained["when"].as_array().unwrap_or_else(|| panic!("no ways in {explained:#}"));
    let change = |change: &Value| {
        (change["pointer"].as_str().expect("a pointer").to_owned(), change["value"].clone())
    };
    ways.iter().filter_map(|way| way["changes"].as_array()).flatten().map(change).collect()
}

#[tokio::test]
async fn what_a_limit_refuses_passes_at_the_instant_that_is_told_and_not_before() {
    let plivo = plivo().await;
    for durable in [false, true] {
        let setup = Setup::new(&plivo).policy(app_limit(3));
        let sidecar = Sidecar::start(if durable { setup.durable() } else { setup }).await;
        sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
        let request = json!({"to": TO, "text": "second"});

        let refused = explain(&sidecar, &request).await;

        assert_eq!(refused["problem"]["code"], "throttle.app", "{refused:#}");
        assert_eq!(refused["when"].as_array().map(Vec::len), Some(1), "{refused:#}");
        let at = instant(&refused["when"][0]["ask_at"]);
        // To have looked ahead has moved no clock and given nothing back.
        sidecar.send(&request).await.refused(429, "throttle.app");
        let come = async || (Timestamp::now() >= at).then_some(());
        eventually("the instant has come", come).await;
        let open = explain(&sidecar, &request).await;
        assert_eq!(open["verdict"], "accept", "{open:#}");
        assert!(instant(&open["when"][0]["sent_at"]) >= at, "{open:#}");
        sidecar.send(&request).await.expect(202);
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_limit_and_quiet_hours_together_are_followed_to_the_instant_at_which_both_let_it_go() {
    let plivo = plivo().await;
    let in_three_hours = Timestamp::now().as_second() + 3 * 3_600;
    let opening = in_three_hours - in_three_hours % 3_600;
    let hour = opening / 3_600 % 24;
    let hours = format!("{hour:02}:00-{:02}:00", hour + 1);
    let quiet = Policy::new("quiet-hours").settings(json!({"hours": hours}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(quiet).policy(app_limit(3_600))).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let request = json!({"to": REYKJAVIK, "text": "sale", "intent": "marketing"});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(explained["problem"]["code"], "throttle.app", "{explained:#}");
    let way = &explained["when"][0];
    let (ask, sent) = (instant(&way["ask_at"]), instant(&way["sent_at"]));
    let wait = ask.duration_since(Timestamp::now());
    assert!(wait > SignedDuration::from_mins(30), "asked too early: {explained:#}");
    // A whole second, and a little later than it could be.
    let latest = SignedDuration::from_hours(1) + SignedDuration::from_secs(2);
    assert!(wait <= latest, "asked too late: {explained:#}");
    assert_eq!(sent.as_second(), opening, "hours {hours}: {explained:#}");
    sidecar.stop().await;
}

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
async fn a_repeat_passes_later_or_when_it_is_said_to_be_meant_and_by_no_other_length() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).policy(Policy::new("dedup")).policy(app_limit(1));
    let sidecar = Sidecar::start(setup).await;
    let request = json!({"to": TO, "text": "hi"});
    sidecar.send(&request).await.expect(202);
    let open = async || {
        let fresh = explain(&sidecar, &json!({"to": TO, "text": "other"})).await;
        (fresh["verdict"] == "accept").then_some(())
    };
    eventually("the limit is open again", open).await;

    let explained = explain(&sidecar, &request).await;

    assert_eq!(explained["problem"]["code"], "dup.content", "{explained:#}");
    let ways = explained["when"].as_array().unwrap();
    assert!(ways[0].get("changes").is_none(), "not as it is and later: {explained:#}");
    assert_eq!(changes(&explained), [("/dedup".to_owned(), json!("off"))], "{explained:#}");
    let meant = json!({"to": TO, "text": "hi", "dedup": "off"});
    sidecar.send(&meant).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn media_that_may_not_go_there_are_left_out_and_a_country_that_may_not_has_no_way() {
    let plivo = plivo().await;
    let standard = Setup::standard(&plivo);
    let sidecar = Sidecar::start(standard).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let to_france = json!({"to": "+33612345678", "text": "hi", "media_urls": media});

    let mms = explain(&sidecar, &to_france).await;
    let iran = explain(&sidecar, &json!({"to": "+989121234567", "text": "hi"})).await;

    assert_eq!(mms["verdict"], "reject", "{mms:#}");
    assert_eq!(changes(&mms), [("/media_urls".to_owned(), json!([]))], "{mms:#}");
    assert_eq!(iran["problem"]["code"], "country.hard_denied", "{iran:#}");
    assert_eq!(iran["when"], json!([]), "{iran:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn two_changes_are_told_where_none_alone_would_do_and_a_policy_may_have_a_length_of_its_own()
{
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    let setup = Setup::standard(&plivo).policy(guest.settings(json!({"most_chars": 100})));
    let sidecar = Sidecar::start(setup).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let text = "a".repeat(400);
    let to_france = json!({"to": "+33612345678", "text": text, "media_urls": media});

    let explained = explain(&sidecar, &to_france).await;
    let short = "a".repeat(100);
    let mended = explain(&sidecar, &json!({"to": "+33612345678", "text": short})).await;
    let sms = explain(&sidecar, &json!({"to": "+33612345678", "text": text})).await;
    let said = explain(&sidecar, &json!({"to": TO, "text": "refuse test.word"})).await;

    let both = [("/media_urls", json!([])), ("/text", json!({"max_chars": 100}))];
    assert_eq!(explained["when"].as_array().map(Vec::len), Some(1), "{explained:#}");
    assert_eq!(
        changes(&explained),
        both.map(|(at, value)| (at.to_owned(), value)),
        "{explained:#}"
    );
    assert_eq!(mended["verdict"], "accept", "{mended:#}");
    assert_eq!(sms["problem"]["code"], "test.too_long", "{sms:#}");
    assert_eq!(changes(&sms), [("/text".to_owned(), json!({"max_chars": 100}))], "{sms:#}");
    // What is refused for what it says is not told to say it shorter.
    assert_eq!(said["when"], json!([]), "{said:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn another_sender_of_the_apps_own_is_told_where_it_passes_sooner() {
    let plivo = plivo().await;
    let limit = json!({"name": "s", "scope": "sender", "quota": 1, "per_s": 3_600});
    let senders: Vec<String> = (1..8).map(|nth| format!("+1415555121{nth}")).collect();
    let setup = Setup::new(&plivo)
        .policy(Policy::new("throttle").settings(json!({"limits": [limit]})))
        .app(App::new("demo", TOKEN).set("senders", json!(senders)));
    let sidecar = Sidecar::start(setup).await;
    // All but the last are used up.
    for sender in &senders[..senders.len() - 1] {
        sidecar.send(&json!({"to": TO, "text": "first", "from": sender})).await.expect(202);
    }
    let request = json!({"to": TO, "text": "second"});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(changes(&explained), [("/from".to_owned(), json!(senders[6]))]);
    let sent = sidecar.send(&json!({"to": TO, "text": "second", "from": senders[6]})).await;
    sent.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn no_change_is_told_that_gains_nothing_or_that_the_door_would_refuse() {
    let plivo = plivo().await;
    let own = ["+14155551212", "+14155551213", "+33612345678"];
    let setup = Setup::standard(&plivo)
        .policy(app_limit(3_600))
        .app(App::new("demo", TOKEN).set("senders", json!(own)));
    let sidecar = Sidecar::start(setup).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);

    let limited = explain(&sidecar, &json!({"to": TO, "text": "it’s the second"})).await;
    let by_id = json!({"to": "+33612345678", "text": "hi", "media_ids": ["m-1"]});
    let by_id = explain(&sidecar, &by_id).await;

    // Neither another sender nor plainer words are limited less.
    assert_eq!(changes(&limited), [], "{limited:#}");
    let pointers: Vec<String> = changes(&by_id).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/media_ids"], "{by_id:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn every_recipient_of_a_list_has_its_way_looked_for() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(app_limit(3_600))).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let to: Vec<String> = (0..100).map(|nth| format!("+1415555{nth:04}")).collect();

    let explained = explain(&sidecar, &json!({"to": to, "text": "hi"})).await;

    let messages = explained["messages"].as_array().unwrap();
    let without = messages.iter().filter(|each| each["when"] == json!([])).count();
    assert_eq!((messages.len(), without), (100, 0), "{:#}", messages[99]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_time_to_live_that_ends_too_soon_is_told_how_long_it_must_be() {
    let plivo = plivo().await;
    let pace = json!({"name": "s", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 60,
        "burst": 1, "on_limit": "queue"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [pace]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let request = json!({"to": TO, "text": "second", "ttl_s": 30});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(explained["problem"]["code"], "throttle.would_expire", "{explained:#}");
    let told = changes(&explained);
    let [(pointer, seconds)] = told.as_slice() else { panic!("{explained:#}") };
    assert_eq!(pointer, "/ttl_s");
    let seconds = seconds.as_u64().unwrap();
    assert!((40..=66).contains(&seconds), "{explained:#}");
    let longer = json!({"to": TO, "text": "second", "ttl_s": seconds});
    assert_eq!(explain(&sidecar, &longer).await["verdict"], "accept");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_time_to_live_may_have_to_be_longer_than_plivo_takes_at_once() {
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(guest)).await;
    for hours in [4, 100] {
        let text = format!("later {}", hours * 3_600_000);
        let request = json!({"to": TO, "text": text, "ttl_s": 60});

        let explained = explain(&sidecar, &request).await;

        assert_eq!(explained["problem"]["code"], "send.would_expire", "{explained:#}");
        let told = changes(&explained);
        let [(pointer, seconds)] = told.as_slice() else { panic!("{explained:#}") };
        let least = hours * 3_600;
        let near = (least..=least + 60).contains(&seconds.as_u64().unwrap());
        assert!(pointer == "/ttl_s" && near, "{explained:#}");
    }
    sidecar.stop().await;
}

/// The one way, with its instant, pointer and value.
fn only_way(explained: &Value) -> (Timestamp, String, Value) {
    let told = changes(explained);
    let [(pointer, value)] = told.as_slice() else { panic!("not one change: {explained:#}") };
    assert_eq!(explained["when"].as_array().map(Vec::len), Some(1), "{explained:#}");
    (instant(&explained["when"][0]["ask_at"]), pointer.clone(), value.clone())
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
    let (ask, pointer, value) = only_way(&explained);
    assert_eq!((pointer.as_str(), value), ("/text", json!({"max_chars": 459})));
    let short = explain(&sidecar, &json!({"to": TO, "text": "a"})).await;
    let short = instant(&short["when"][0]["ask_at"]);
    assert!(ask.duration_since(short).abs() <= SignedDuration::from_secs(1), "{explained:#}");
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
async fn what_is_in_the_way_only_later_is_looked_at_too() {
    let plivo = plivo().await;
    let now = Timestamp::now().as_second();
    let hour = (now / 3_600 + 2) % 24;
    let hours = json!({"hours": format!("{hour:02}:00-{:02}:00", hour + 1)});
    let limit = json!({"name": "s", "scope": "app", "quota": 1, "per_s": 60, "cost": "segments"});
    let setup = Setup::new(&plivo)
        .policy(Policy::new("quiet-hours").settings(hours))
        .policy(Policy::new("throttle").settings(json!({"limits": [limit]})));
    let sidecar = Sidecar::start(setup).await;
    let opening = Timestamp::from_second((now / 3_600 + 2) * 3_600).expect("an instant");
    let sale =
        |text: &str| json!({"to": REYKJAVIK, "text": text, "intent": "marketing", "ttl_s": 60});

    // Its time is too short now; at the opening its text is too long.
    let explained = explain(&sidecar, &sale(&"a".repeat(400))).await;
    assert_eq!(explained["problem"]["code"], "quiet.would_expire", "{explained:#}");
    let (ask, pointer, value) = only_way(&explained);
    assert_eq!((pointer.as_str(), value), ("/text", json!({"max_chars": 160})));
    // Asked for a little before, it lives long enough to wait for the opening.
    let before = opening.duration_since(ask).as_secs();
    assert!((-2..=60).contains(&before) && before > 40, "{before}: {explained:#}");

    // With the limit used up, a longer time to live helps in a minute, and not only at the opening.
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let explained = explain(&sidecar, &sale("short")).await;
    let told = changes(&explained);
    let [(pointer, _)] = told.as_slice() else { panic!("not one change: {explained:#}") };
    assert_eq!(pointer, "/ttl_s", "{explained:#}");
    let ask = instant(&explained["when"][1]["ask_at"]);
    let wait = ask.duration_since(Timestamp::now());
    assert!(wait <= SignedDuration::from_secs(62), "{explained:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_stands_behind_a_repeat_or_a_queue_is_changed_where_that_is_sooner() {
    let plivo = plivo().await;
    let limit =
        json!({"name": "s", "scope": "app", "quota": 4, "per_s": 3_600, "cost": "segments"});
    let pace = json!({"name": "q", "scope": "recipient", "kind": "gcra", "quota": 1, "per_s": 600, "burst": 3,
        "cost": "segments", "on_limit": "queue"});
    let throttle = |name: &str, limit: Value, app: &str| {
        let throttle = Policy::new("throttle").set("name", name).set("apps", json!([app]));
        throttle.settings(json!({"limits": [limit]}))
    };
    let setup = Setup::new(&plivo)
        .app(App::new("demo", TOKEN))
        .app(App::new("queued", "token-of-queued"))
        .policy(Policy::new("dedup").set("apps", json!(["demo"])))
        .policy(throttle("limited", limit, "demo"))
        .policy(throttle("paced", pace, "queued"));
    let sidecar = Sidecar::start(setup).await;
    let body = json!({"to": TO, "text": "a".repeat(400), "ttl_s": 700});
    let shorter = |explained: &Value| {
        let told = changes(explained);
        let text = told.iter().find(|(pointer, _)| pointer == "/text");
        text.unwrap_or_else(|| panic!("no shorter text in {explained:#}")).1["max_chars"].clone()
    };

    sidecar.send(&body).await.expect(202);
    let explained = explain(&sidecar, &body).await;
    assert_eq!(explained["problem"]["code"], "dup.content", "{explained:#}");
    assert_eq!(shorter(&explained), 160, "{explained:#}");

    let as_queued = |path: &str| sidecar.post(path).bearer("token-of-queued").json(&body);
    as_queued("/v1/messages").answer().await.expect(202);
    let explained = as_queued("/v1/explain").answer().await.expect(200);
    assert_eq!(explained["problem"]["code"], "throttle.would_expire", "{explained:#}");
    assert_eq!(shorter(&explained), 160, "{explained:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_policy_would_close_for_long_passes_as_soon_as_it_would_without_being_asked() {
    let plivo = plivo().await;
    let rules = json!({"quota": 3, "per_s": 5, "run": 4, "close_s": 900});
    let settings =
        json!({"mode": "enforce", "velocity": rules, "fanout": {"home": ["US"], "per_s": 60}});
    let sidecar =
        Sidecar::start(Setup::new(&plivo).policy(Policy::new("pumping").settings(settings))).await;
    // One block by its speed, and one by numbers in a row, which policies remember themselves.
    for (block, lasts, next) in [("777", [0, 2, 4], 6), ("778", [0, 1, 2], 3)] {
        for last in lasts {
            let body = json!({"to": format!("+1212{block}100{last}"), "text": format!("n{last}")});
            sidecar.send(&body).await.expect(202);
        }
        let body = json!({"to": format!("+1212{block}100{next}"), "text": "another"});
        let asked = Timestamp::now();
        let refused = explain(&sidecar, &body).await;

        assert_eq!(refused["problem"]["code"], "fraud.prefix_velocity", "{refused:#}");
        let wait = instant(&refused["when"][0]["ask_at"]).duration_since(asked);
        assert!(wait <= SignedDuration::from_secs(8), "{wait}: {refused:#}");
        assert!(wait >= SignedDuration::from_secs(2), "{wait}: {refused:#}");
    }
    sidecar.stop().await;
}
