//! The instant at which it passes as it is, and what is changed where that is sooner.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{REYKJAVIK, app_limit, changes, explain, instant, only_way};
use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};

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
async fn an_opening_that_is_weeks_away_is_told_and_so_is_when_to_ask() {
    let plivo = plivo().await;
    let day = |days: i64| Timestamp::now() + SignedDuration::from_hours(24 * days);
    let until = day(20).strftime("%F").to_string();
    let rule =
        json!({"name": "IS", "prefixes": ["354"], "hours": "closed", "until": until.as_str()});
    let quiet = Policy::new("quiet-hours").settings(json!({"rules": [rule]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(quiet)).await;
    let request = json!({"to": REYKJAVIK, "text": "sale", "intent": "marketing"});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(explained["problem"]["code"], "quiet.would_expire", "{explained:#}");
    let way = &explained["when"][0];
    let (ask, sent) = (instant(&way["ask_at"]), instant(&way["sent_at"]));
    assert!(sent > day(20) - SignedDuration::from_hours(24), "{explained:#}");
    let early = sent.duration_since(ask) - SignedDuration::from_hours(8 * 24);
    assert!(early.is_negative() && early > SignedDuration::from_secs(-3), "{explained:#}");
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
